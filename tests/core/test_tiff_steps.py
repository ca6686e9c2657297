"""Distances of pixels, planes and frames are those that a TIFF tells, or else unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_ds2net.core.export.units import in_unit, pixel_size
from napari_ds2net.core.stack_files import read_stack

STACK = np.random.default_rng(0).integers(0, 256, (3, 2, 8, 9), dtype=np.uint8)


def ome(path: Path, axes: str = "TZYX", **facts: Any) -> Path:
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": axes, **facts})
    return path


def test_ome_tells_space_in_several_units_and_time(tmp_path: Path) -> None:
    image = read_stack(
        ome(
            tmp_path / "a.tif",
            PhysicalSizeX=0.25,
            PhysicalSizeXUnit="µm",
            PhysicalSizeY=250.0,
            PhysicalSizeYUnit="nm",
            PhysicalSizeZ=0.002,
            PhysicalSizeZUnit="mm",
            TimeIncrement=40.0,
            TimeIncrementUnit="ms",
        )
    )
    assert image.scale == pytest.approx((40, 2, 0.25, 0.25))
    assert (image.unit, image.time_unit) == ("µm", "ms")
    timed = read_stack(ome(tmp_path / "b.tif", TimeIncrement=1.5))
    assert timed.scale == (1.5, 1, 1, 1)
    assert (timed.unit, timed.time_unit) == ("pixel", "s")


def test_a_depth_has_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    facts: dict[str, Any] = {"PhysicalSizeX": 0.5, "PhysicalSizeZ": 2, "TimeIncrement": 3}
    tifffile.imwrite(path, STACK[0], ome=True, metadata={"axes": "ZYX", **facts})
    image = read_stack(path)
    assert image.scale == (2, 0.5, 0.5)
    assert (image.unit, image.time_unit) == ("µm", "pixel")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'PhysicalSizeX="0.5"', b'PhysicalSizeX="0.0"'),
        (b'PhysicalSizeX="0.5"', b'PhysicalSizeX="-.5"'),
        (b'PhysicalSizeX="0.5"', b'PhysicalSizeX="NaN"'),
        (b'PhysicalSizeX="0.5"', b'PhysicalSizeX="inf"'),
        (b'PhysicalSizeX="0.5"', b'PhysicalSizeX="0,5"'),
    ],
)
def test_what_makes_no_sense_is_unknown_and_the_stack_is_read(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = ome(tmp_path / "a.tif", PhysicalSizeX=0.5, TimeIncrement=2)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    image = read_stack(path)
    assert (image.axes, image.scale, image.unit) == ("tzyx", (1, 1, 1, 1), "pixel")
    np.testing.assert_array_equal(np.asarray(image.array), STACK)


def test_imagej_tells_frame_interval_and_inches(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    facts: dict[str, Any] = {"axes": "TZYX", "unit": "inch", "spacing": 0.5, "finterval": 0.04}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(10, 5), metadata=facts)
    image = read_stack(path)
    assert image.scale == pytest.approx((0.04, 0.5, 0.2, 0.1))
    assert (image.unit, image.time_unit) == ("inch", "s")
    size = pixel_size(image.scale, image.unit)
    assert (size.symbol, size.word) == ("in", "in")
    assert size.per_cm == pytest.approx((1 / 0.254, 1 / 0.508))


def test_lengths_change_their_unit() -> None:
    assert in_unit(2, "mm", "µm") == pytest.approx(2000)
    assert in_unit(1, "inch", "mm") == pytest.approx(25.4)
    assert in_unit(3, "parsec", "parsec") == 3
    assert in_unit(3, "parsec", "mm") is None
