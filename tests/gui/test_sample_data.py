"""The samples in napari's menu: declared, found, and layers that napari can add."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_ds2net
from napari_ds2net.core.phantoms import PAINTERS
from napari_ds2net.gui import sample_data

MANIFEST = PluginManifest.from_file(Path(napari_ds2net.__file__).with_name("napari.yaml"))
SAMPLES = MANIFEST.contributions.sample_data or []
PYTHON_NAMES = {c.id: str(c.python_name) for c in MANIFEST.contributions.commands or []}


def test_the_manifest_is_sound() -> None:
    assert MANIFEST.name == "napari-ds2net"
    assert MANIFEST.display_name == "DS²Net"
    MANIFEST.validate_imports()


def test_every_phantom_is_a_sample() -> None:
    assert {sample.key for sample in SAMPLES} == set(PAINTERS)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_a_sample_opens_as_an_image_and_its_mask(sample: object) -> None:
    key, command = getattr(sample, "key", ""), getattr(sample, "command", "")
    module, function = PYTHON_NAMES[command].split(":")
    (image, image_options, image_kind), (mask, mask_options, mask_kind) = getattr(
        import_module(module), function
    )()
    phantom = PAINTERS[key](0)
    np.testing.assert_array_equal(image, phantom.image)
    np.testing.assert_array_equal(mask, phantom.mask)
    assert (image_kind, mask_kind) == ("image", "labels")
    assert image_options["rgb"] == (image.ndim == 3)
    assert mask_options["name"] == f"{image_options['name']} true mask"


def test_listing_the_samples_imports_neither_napari_nor_torch_nor_qt() -> None:
    heavy = "{'napari', 'torch', 'qtpy'}"
    program = f"import sys, {sample_data.__name__}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
