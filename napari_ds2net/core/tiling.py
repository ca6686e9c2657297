"""Overlapping tiles over an image, and the blending of what comes back.

Along each axis the tiles start at even distances; the first begins and the last ends with the
image. Neighbours share at least `overlap` pixels. Of these the outer ones, the `halo`, are seen by
the network as context only; in between, one tile fades into the next::

    tile 0   |------------------------|
    tile 1                  |------------------------|
                            |<overlap>|
                            :  :   :  :
    weight   1 ----------------.   :  :
    of 0                       : `.:  :
             0                 :   `---
    weight   1                 :   .-----------------
    of 1                       : .`:
             0              ---`   :  :
                            |halo  |halo

The weights are a Gaussian of the distance from the tile's centre, zero in the halo, divided by
their sum over all tiles, so that they add up to one at every pixel. Where a tile's edge is the
image's edge it has no halo. In two dimensions a weight is the product of one along Y and one along
X; both sums being one, so is that of the products, and no map of weights is ever kept.

Tiles come row by row. Once row k of the tiles is done, the image's rows above the start of row
k + 1 are final: a `BandBlender` gives them away and keeps one tile's height of the image, however
high the image is::

        +-------+-------+-------+
        |       final band      |    rows starts[k] .. starts[k + 1]: given away
        |- - - - - - - - - - - -|
        |   waits for row k + 1 |    kept
        +-------+-------+-------+
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.errors import SettingsError

HALO_SHARE = 0.25
"""Part of the overlap that is context only, at either side."""
SIGMA_SHARE = 0.125
"""Standard deviation of the Gaussian as a part of the tile's length."""


class SlicedArray(Protocol):
    """What pixels are cut from: a numpy, dask or zarr array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


class Tile(NamedTuple):
    """A tile's place: its row and column in the grid, and the pixel where it starts."""

    row: int
    column: int
    y: int
    x: int


class Band(NamedTuple):
    """Finished rows of the stitched image: the first row, and float32 values (C, rows, X)."""

    start: int
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TiledAxis:
    """The tiles along one axis.

    Attributes
    ----------
    length
        Pixels of the image along the axis.
    extent
        Pixels of the part of a tile that lies in the image: the tile's length, or `length` if that
        is less.
    starts
        First pixel of every tile, increasing.
    weights
        float32, shape (tiles, extent), range [0, 1]: what each tile's pixels count for. At every
        pixel of the image the weights of the tiles that cover it add up to one.
    """

    length: int
    extent: int
    starts: tuple[int, ...]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The tiles of an image.

    Attributes
    ----------
    tile_shape
        (height, width) of every tile in pixels. A tile higher or wider than the image is filled
        up with the image's own reflection, evenly at both sides.
    y, x
        The two axes.
    """

    tile_shape: tuple[int, int]
    y: TiledAxis
    x: TiledAxis

    @property
    def image_shape(self) -> tuple[int, int]:
        """(Y, X) of the image in pixels."""
        return self.y.length, self.x.length

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.y.starts) * len(self.x.starts)

    def __iter__(self) -> Iterator[Tile]:
        """Go through the tiles row by row."""
        for (row, y), (column, x) in itertools.product(
            enumerate(self.y.starts), enumerate(self.x.starts)
        ):
            yield Tile(row, column, y, x)

    def row_of(self, y: int) -> int:
        """Return the first row of tiles that reaches pixel row `y`."""
        return next(row for row, start in enumerate(self.y.starts) if start + self.y.extent > y)

    def cut(self, image: SlicedArray, tile: Tile) -> NDArray[Any]:
        """Return the pixels of `tile`, shape (height, width) or (height, width, channels).

        Parameters
        ----------
        image
            Shape (Y, X) or (Y, X, channels); only the tile is read from it.
        tile
            One of this grid's.
        """
        rows = slice(tile.y, tile.y + self.y.extent)
        columns = slice(tile.x, tile.x + self.x.extent)
        pixels = np.asarray(image[rows, columns])
        return _filled_up(pixels, self.tile_shape)

    def crop(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what `cut` did not fill up, of values (C, height, width)."""
        top, left = self._filling_before()
        return values[:, top : top + self.y.extent, left : left + self.x.extent]

    def window(self, tile: Tile) -> NDArray[np.float32]:
        """Return the weights of the tile's pixels in the image, float32 in [0, 1]."""
        return np.outer(self.y.weights[tile.row], self.x.weights[tile.column])

    def _filling_before(self) -> tuple[int, int]:
        return (
            (self.tile_shape[0] - self.y.extent) // 2,
            (self.tile_shape[1] - self.x.extent) // 2,
        )


def make_grid(
    image_shape: tuple[int, int], tile_shape: tuple[int, int], overlap: float = 0.25
) -> TileGrid:
    """Lay tiles over an image.

    Parameters
    ----------
    image_shape
        (Y, X) in pixels, 1 or more each.
    tile_shape
        (height, width) in pixels, 1 or more each.
    overlap
        Smallest part of a tile that it shares with its neighbour, in [0, 0.9].

    Raises
    ------
    SettingsError
        A length is below 1, or `overlap` is out of range.
    """
    if min(*image_shape, *tile_shape) < 1:
        raise SettingsError(
            f"Tiles of {tile_shape} pixels over an image of {image_shape} cannot be laid; "
            "expected lengths of 1 or more."
        )
    if not 0.0 <= overlap <= 0.9:
        raise SettingsError(f"The overlap of tiles is {overlap}; expected a part from 0 to 0.9.")
    axes = (
        _tiled_axis(length, extent, overlap)
        for length, extent in zip(image_shape, tile_shape, strict=True)
    )
    return TileGrid(tile_shape, *axes)


class BandBlender:
    """Adds up weighted tiles and gives the image's rows away as they become final.

    Memory: one tile's height of the image, C values of float32 a pixel.

    Parameters
    ----------
    grid
        The tiles, which must be added in its order.
    channels
        C, the values per pixel.
    first_row
        The row of tiles to begin with. Pixels that earlier rows reach lack their share.
    """

    def __init__(self, grid: TileGrid, channels: int, first_row: int = 0) -> None:
        self._grid = grid
        self._waiting = np.zeros((channels, grid.y.extent, grid.x.length), np.float32)
        self._added = first_row * len(grid.x.starts)

    @property
    def waiting_shape(self) -> tuple[int, int, int]:
        """Shape (C, rows, X) of the float32 values that are kept in memory."""
        channels, rows, columns = self._waiting.shape
        return channels, rows, columns

    def add(self, tile: Tile, values: NDArray[np.float32]) -> Band | None:
        """Add a tile; return the band that is final with it, if there is one.

        Parameters
        ----------
        tile
            The next tile of the grid.
        values
            float32, shape (C, height, width): the network's answer to what `TileGrid.cut` gave.

        Returns
        -------
        Band after the last tile of a row, None else. The bands follow one another without a gap.
        """
        expected = divmod(self._added, len(self._grid.x.starts))
        if (tile.row, tile.column) != expected:
            raise ValueError(f"tile {tile[:2]} was added where {expected} was due")
        columns = slice(tile.x, tile.x + self._grid.x.extent)
        self._waiting[:, :, columns] += self._grid.crop(values) * self._grid.window(tile)
        self._added += 1
        row_is_done = tile.column == len(self._grid.x.starts) - 1
        return self._release(tile.row) if row_is_done else None

    def _release(self, row: int) -> Band:
        """Give away what lies above the next row of tiles, and move the rest up."""
        starts = self._grid.y.starts
        start = starts[row]
        end = starts[row + 1] if row + 1 < len(starts) else self._grid.y.length
        final = self._waiting[:, : end - start].copy()
        rest = self._waiting[:, end - start :].copy()
        self._waiting[:, : rest.shape[1]] = rest
        self._waiting[:, rest.shape[1] :] = 0
        return Band(start, final)


def _tiled_axis(length: int, tile_length: int, overlap: float) -> TiledAxis:
    extent = min(length, tile_length)
    shared = min(round(tile_length * overlap), tile_length - 1)
    count = 1 + math.ceil((length - extent) / (tile_length - shared))
    spacing = (length - extent) / max(count - 1, 1)
    starts = tuple(round(index * spacing) for index in range(count))
    halo = int(shared * HALO_SHARE)
    return TiledAxis(length, extent, starts, _weights(length, extent, starts, halo))


def _weights(length: int, extent: int, starts: tuple[int, ...], halo: int) -> NDArray[np.float32]:
    """Return the weights (tiles, extent) of `TiledAxis`."""
    centred = np.arange(extent) - (extent - 1) / 2
    gaussian = np.exp(-0.5 * (centred / (SIGMA_SHARE * extent)) ** 2)
    weights = np.tile(gaussian, (len(starts), 1))
    weights[1:, :halo] = 0
    weights[:-1, extent - halo :] = 0
    total = np.zeros(length)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + extent] += weight
    for start, weight in zip(starts, weights, strict=True):
        weight /= total[start : start + extent]
    return weights.astype(np.float32)


def _filled_up(pixels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Reflect `pixels` at its edges up to `shape`, evenly at both sides."""
    missing = [wanted - there for wanted, there in zip(shape, pixels.shape[:2], strict=True)]
    if not any(missing):
        return pixels
    widths = [(total // 2, total - total // 2) for total in missing]
    return np.pad(pixels, widths + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
