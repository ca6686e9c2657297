"""Channels chosen of an image: grey or colour frames, read when they are indexed."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pytest

from napari_ds2net.core.channels import ChosenChannels
from napari_ds2net.core.image import ImageData
from napari_ds2net.errors import ImageError

STACK = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)  # t c z y x


def test_one_channel_gives_grey_frames() -> None:
    chosen = ChosenChannels(STACK, 1, (2,))
    assert chosen.shape == (2, 4, 5, 6)
    np.testing.assert_array_equal(chosen[1, 3], STACK[1, 2, 3])
    np.testing.assert_array_equal(np.asarray(chosen), STACK[:, 2])


def test_three_channels_give_colour_frames_in_their_order() -> None:
    chosen = ChosenChannels(STACK, 1, (2, 0, 1))
    assert chosen.shape == (2, 4, 5, 6, 3)
    np.testing.assert_array_equal(chosen[0, 1], np.moveaxis(STACK[0, [2, 0, 1], 1], 0, -1))


def test_of_two_channels_blue_is_black() -> None:
    frame = ChosenChannels(STACK, 1, (0, 1))[0, 0]
    np.testing.assert_array_equal(frame[..., 1], STACK[0, 1, 0])
    assert not frame[..., 2].any()


def test_a_leading_channel_axis_alone() -> None:
    chosen = ChosenChannels(STACK[0, :, 0], 0, (1,))
    np.testing.assert_array_equal(ImageData(array=chosen, axes="yx").frame(), STACK[0, 1, 0])


def test_only_what_is_chosen_is_read_and_it_can_travel() -> None:
    read: list[int] = []

    def block(block_info: object = None, block_id: tuple[int, ...] = ()) -> np.ndarray:
        read.append(block_id[1])
        return np.full((1, 1, 4, 5, 6), block_id[1])

    lazy = da.map_blocks(
        block, chunks=((1, 1), (1, 1, 1), (4,), (5,), (6,)), dtype=int, meta=np.zeros((0,) * 5, int)
    )
    frame = ChosenChannels(lazy, 1, (2,))[0, 0]
    assert set(read) == {2}
    assert (frame == 2).all()
    again = pickle.loads(pickle.dumps(ChosenChannels(STACK, 1, (2,))))
    np.testing.assert_array_equal(again[0, 0], STACK[0, 2, 0])


@pytest.mark.parametrize(
    ("axis", "channels"), [(3, (0,)), (1, ()), (1, (3,)), (1, (0, 1, 2, 0)), (-1, (0,))]
)
def test_what_is_not_there_is_refused(axis: int, channels: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="expected"):
        ChosenChannels(STACK, axis, channels)
