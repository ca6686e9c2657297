from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_ds2net
from napari_ds2net import api
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import CheckpointError, DeviceError, ImageError, ModelNotFoundError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, network, ModelCard(name="tiny", input_size=(64, 64)))
    return path


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    api.forget_models()


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 4)])
def test_every_kind_of_array_gives_maps_of_its_size(
    tiny_file: Path, shape: tuple[int, ...]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    prediction = napari_ds2net.segment(image, tiny_file)
    assert prediction.mask.shape == (40, 50)
    assert prediction.mask.dtype == np.uint8
    for values in (
        prediction.probability,
        prediction.detail_mask,
        prediction.semantic_mask,
        prediction.uncertainty,
    ):
        assert values.shape == (40, 50)
        assert values.dtype == np.float32
        assert 0 <= values.min() <= values.max() <= 1
    assert prediction.model == "tiny"
    assert prediction.seconds > 0


def test_a_model_is_called_by_its_name_or_its_file(tiny_file: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    ModelLibrary().import_file(tiny_file)
    by_name = napari_ds2net.segment(image, "tiny", device="cpu")
    by_file = napari_ds2net.segment(image, str(tiny_file), device="cpu")
    np.testing.assert_array_equal(by_name.probability, by_file.probability)
    assert by_name.device == "cpu"


def test_options_change_the_mask_and_nothing_else(tiny_file: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    usual = napari_ds2net.segment(image, tiny_file)
    level = float(np.median(usual.probability))
    median = napari_ds2net.segment(image, tiny_file, options=InferenceOptions(threshold=level))
    np.testing.assert_array_equal(median.mask > 0, median.probability >= np.float32(level))
    np.testing.assert_array_equal(median.probability, usual.probability)


def test_a_network_stays_loaded_until_its_file_changes(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.safetensors"
    path.write_bytes(tiny_file.read_bytes())
    first = api.load_model(path)
    assert api.load_model(str(path)) is first
    stamp = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(stamp, stamp))
    assert api.load_model(path) is not first


def test_only_a_few_networks_stay_loaded(tiny_file: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in range(4)]
    for path in paths:
        path.write_bytes(tiny_file.read_bytes())
    loaded = [api.load_model(path) for path in paths]
    assert api.load_model(paths[-1]) is loaded[-1]
    assert api.load_model(paths[0]) is not loaded[0]


def test_what_cannot_be_segmented_is_said_in_words(tiny_file: Path, tmp_path: Path) -> None:
    image = np.zeros((8, 8), np.uint8)
    with pytest.raises(ModelNotFoundError, match="There is no model 'polip'"):
        napari_ds2net.segment(image, "polip")
    with pytest.raises(DeviceError, match="abacus"):
        napari_ds2net.segment(image, tiny_file, device="abacus")
    with pytest.raises(ImageError):
        napari_ds2net.segment(np.zeros((2, 3, 8, 8)), tiny_file)
    text = tmp_path / "text.safetensors"
    text.write_text("?")
    with pytest.raises(CheckpointError):
        napari_ds2net.segment(image, text)


def test_the_package_has_a_version_and_no_other_lazy_names() -> None:
    assert napari_ds2net.__version__[0].isdecimal()
    assert {"segment", "__version__"} <= set(dir(napari_ds2net))
    with pytest.raises(AttributeError, match="has no attribute 'segmentation'"):
        _ = napari_ds2net.segmentation


def test_importing_the_package_is_quick() -> None:
    code = """
import sys, time
start = time.process_time()
import napari_ds2net
print(time.process_time() - start)
assert not {"torch", "numpy", "qtpy", "importlib.metadata"} & set(sys.modules)
"""
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 0.05, time.monotonic() - start
