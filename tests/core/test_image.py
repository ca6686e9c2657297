from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError


@pytest.mark.parametrize(
    ("shape", "axes", "plane", "frames"),
    [
        ((20, 30), "yx", (20, 30), ()),
        ((20, 30, 3), "yxc", (20, 30), ()),
        ((5, 20, 30), "tyx", (20, 30), (5,)),
        ((5, 20, 30, 4), "tyxc", (20, 30), (5,)),
        ((5, 6, 20, 30), "tzyx", (20, 30), (5, 6)),
    ],
)
def test_axes_are_told_from_the_shape(
    shape: tuple[int, ...], axes: str, plane: tuple[int, int], frames: tuple[int, ...]
) -> None:
    image = ImageData.from_array(np.zeros(shape), name="sample")
    assert image.axes == axes
    assert image.plane_shape == plane
    assert image.frames == frames
    assert image.scale == (1.0,) * (len(frames) + 2)


def test_a_frame_is_read_by_itself() -> None:
    class Lazy:
        def __init__(self) -> None:
            self.array = np.arange(3 * 4 * 5).reshape(3, 4, 5)
            self.shape, self.ndim = self.array.shape, 3
            self.read: list[Any] = []

        def __getitem__(self, key: Any) -> Any:
            self.read.append(key)
            return self.array[key]

    lazy = Lazy()
    frame = ImageData.from_array(lazy).frame(1)
    np.testing.assert_array_equal(frame, lazy.array[1])
    assert lazy.read == [(1,)]


def test_the_pixel_size_is_that_of_the_last_two_axes() -> None:
    image = ImageData(
        array=np.zeros((5, 8, 9)), axes="tyx", scale=(2.0, -0.5, 0.25), unit="micrometer"
    )
    assert image.pixel_size == (0.5, 0.25)


@pytest.mark.parametrize("index", [(), (5,), (-1,), (0, 0)])
def test_a_frame_that_is_not_there_is_refused(index: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="no frame"):
        ImageData.from_array(np.zeros((5, 8, 9))).frame(*index)


@pytest.mark.parametrize(
    "facts",
    [
        {"array": np.zeros((8, 9)), "axes": "xy"},
        {"array": np.zeros((8, 9)), "axes": "tyx"},
        {"array": np.zeros((8, 9, 5)), "axes": "yxc"},
        {"array": np.zeros((0, 9)), "axes": "yx"},
        {"array": np.zeros((8, 9)), "axes": "yx", "scale": (1.0,)},
        {"array": np.zeros((8, 9)), "axes": "yx", "scale": (1.0, 0.0)},
        {"array": np.zeros((8, 9)), "axes": "yx", "scale": (1.0, float("nan"))},
    ],
)
def test_facts_that_do_not_fit_together_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match=r"expected|nothing"):
        ImageData(**facts)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 8, 9), ()])
def test_arrays_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="expected"):
        ImageData.from_array(np.zeros(shape))
