"""Running a network over batches, stepping down when memory or precision give out.

The steps, each told by a `SteppedDown` event::

    out of memory:   batch -> half the batch -> ... -> 1
                     tiles -> half the tile  -> ... -> 128 pixels   (`TilesTooLarge`: start again)
                     float32 -> float16 on a GPU that has it
                     GPU -> CPU
    not finite:      half precision -> float32
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ds2net.core.device import ComputePlan, choose_plan, cpu_plan, using_threads
from napari_ds2net.core.events import SteppedDown
from napari_ds2net.core.forward import compute_flipped, resize
from napari_ds2net.core.memory import free, is_out_of_memory
from napari_ds2net.core.prepare import copy_to_cpu, move
from napari_ds2net.errors import DeviceError, DS2NetError

SMALLEST_TILE = 128
"""Tiles are not halved below this length in pixels: the network would see too little around."""


class TilesTooLarge(Exception):
    """A single tile does not fit into memory, and smaller ones are possible."""


class Runner:
    """A network, and the size of the steps in which it is run.

    Parameters
    ----------
    network
        What `prepare` gave for `plan`. It is never changed; stepping down makes a copy.
    plan
        Where and how to compute.
    flips
        The mirrored views; see `compute_flipped`.
    batch_size
        Pieces computed at once, to begin with.
    magnification
        How much the pieces are enlarged before the network sees them; its answer comes back at the
        pieces' own size.
    scale
        How many times as large as the pieces the answer is.

    Attributes
    ----------
    plan, batch_size
        What holds now.
    """

    def __init__(
        self,
        network: nn.Module,
        plan: ComputePlan,
        *,
        flips: Sequence[tuple[int, ...]] = ((),),
        batch_size: int = 1,
        magnification: float = 1.0,
        scale: int = 1,
    ) -> None:
        self.plan = plan
        self.batch_size = batch_size
        self._network = network
        self._flips = tuple(flips)
        self._magnification = magnification
        self._scale = scale

    def run(
        self, pieces: NDArray[np.float32], *, may_shrink: bool
    ) -> Iterator[SteppedDown | NDArray[np.float32]]:
        """Compute a batch, in parts where it has to be.

        Parameters
        ----------
        pieces
            float32, shape (N, 3, h, w), normalised.
        may_shrink
            Whether the caller can come back with smaller pieces.

        Yields
        ------
        SteppedDown
            Whenever it goes on in a smaller or slower way.
        NDArray
            float32, shape (n, K + 2, s h, s w), for the next n pieces; see `compute_maps`.

        Raises
        ------
        TilesTooLarge
            Not even one piece fits, and `may_shrink`.
        DeviceError
            Not even one piece fits on the CPU.
        DS2NetError
            The network's answer is not finite.
        """
        start = 0
        shape = (pieces.shape[-2], pieces.shape[-1])
        while start < len(pieces):
            part = pieces[start : start + self.batch_size]
            try:
                maps = self._compute(part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                maps = None
            if maps is None:  # outside the handler, whose error holds on to memory
                free(self.plan.device)
                yield self._told(self._step_down(len(part), may_shrink), shape)
            elif not np.isfinite(maps).all():
                yield self._told(self._step_to_float32(), shape)
            else:
                start += len(part)
                yield maps

    @torch.inference_mode()
    def _compute(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        layout = torch.channels_last if self.plan.channels_last else torch.contiguous_format
        with using_threads(self.plan.threads):
            size = pieces.shape[-2:]
            enlarged = [max(1, round(length * self._magnification)) for length in size]
            batch = resize(torch.from_numpy(pieces).to(self.plan.device), enlarged)
            batch = batch.to(memory_format=layout)
            maps = compute_flipped(self._network, batch, self._flips, self._scale)
            maps = resize(maps, [self._scale * length for length in size])
            values: NDArray[np.float32] = maps.cpu().numpy()
        return values

    def _step_down(self, batch: int, may_shrink: bool) -> str:
        """Choose the next smaller way, and say so in a sentence."""
        full = f"The memory of {self.plan.device} is not enough"
        if batch > 1:
            self.batch_size = batch // 2
            return f"{full} for {batch} tiles at once; going on with {self.batch_size}."
        if may_shrink:
            raise TilesTooLarge
        if self.plan.device.startswith("cuda") and self.plan.precision == "float32":
            half = choose_plan(self.plan.device)
            if half.precision != "float32":
                self._change(half)
                return f"{full} in single precision; going on in half precision."
        if self.plan.device != "cpu":
            self._change(cpu_plan())
            return f"{full}; going on, more slowly, on the CPU."
        raise DeviceError(
            "The computer's memory is not enough for a single piece of the image; close other "
            "programs, or choose smaller tiles or a smaller network."
        )

    def _step_to_float32(self) -> str:
        if self.plan.precision == "float32":
            raise DS2NetError(
                "The network's answer has values that are not numbers; its file may be damaged, or "
                "its training went astray. Choose another model."
            )
        before = self.plan.precision
        self._change(dataclasses.replace(self.plan, precision="float32"))
        return f"The network's values exceed what {before} can hold; going on in float32."

    def _change(self, plan: ComputePlan) -> None:
        """Go on with a copy of the network under another plan."""
        copied = copy_to_cpu(self._network)
        if plan.device == "cpu":
            del self._network
            free(self.plan.device)
        self._network = move(copied, plan)
        self.plan = plan

    def _told(self, reason: str, tile_shape: tuple[int, int]) -> SteppedDown:
        return SteppedDown(
            reason, self.plan.device, self.plan.precision, self.batch_size, tile_shape
        )


def halved(tile_shape: tuple[int, int]) -> tuple[int, int]:
    """Return the next smaller tile: half, in steps of 32 pixels, down to `SMALLEST_TILE`."""
    height, width = (
        max(SMALLEST_TILE, length // 64 * 32) if length > SMALLEST_TILE else length
        for length in tile_shape
    )
    return height, width


def can_be_halved(tile_shape: tuple[int, int]) -> bool:
    """Tell whether `halved` gives a smaller tile."""
    return halved(tile_shape) != tuple(tile_shape)
