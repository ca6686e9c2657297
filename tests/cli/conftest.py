from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from napari_ds2net.cli import app
from napari_ds2net.network import ModelCard, NetworkConfig, build_network, save_checkpoint

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network, quick to load, for whole frames."""
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, network, ModelCard(name="tiny", input_size=(64, 64)))
    return path


@pytest.fixture
def run() -> Run:
    """Run ``ds2net ARGUMENTS`` in this process; an error that is not told in words is raised."""

    def invoke(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def write_video() -> Callable[[Path, int], Path]:
    """Write a video of frames of 96 x 64 pixels that are not alike."""

    def write(path: Path, frames: int) -> Path:
        with av.open(path, "w") as container:
            stream: Any = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for number in range(frames):
                pixels = np.full((64, 96, 3), 5 * number % 256, np.uint8)
                pixels[10:30, 2 * number % 60 :][:, :20] = 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write
