"""How a file wants its values to be seen: what is black, what is white, and what is between."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOWS = "ds2net_windows"
"""Where a layer's metadata in napari holds the windows of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From the values of a grey image to brightness.

    ::

        brightness 1 |          ____        linear: a straight line from `low` to `high`
                     |         /            sigmoid: most of its change is there, the rest outside
                     |        /             table: `table`, spread evenly from `low` to `high`
                   0 |_______/
                          low  high   value

    Attributes
    ----------
    low, high
        Values, `high` above `low`.
    is_sigmoid
        Whether ``1 / (1 + exp(-4 (value - centre) / width))`` takes the place of the line.
    table
        Brightness in [0, 1], two or more; empty for a line or a sigmoid.

    Raises
    ------
    ValueError
        The numbers make no sense.
    """

    low: float
    high: float
    is_sigmoid: bool = False
    table: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a window from {self.low} to {self.high} cannot be")
        if len(self.table) == 1 or not all(0 <= each <= 1 for each in self.table):
            raise ValueError("the table of a window has one number, or numbers outside [0, 1]")

    @classmethod
    def from_dict(cls, values: dict[str, Any] | None) -> Window | None:
        """Build from plain JSON values; None stays None."""
        if values is None:
            return None
        fields: dict[str, Any] = {**values, "table": tuple(values["table"])}
        return cls(**fields)

    def brightness(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return values as brightness in [0, 1], float32; NaN is black."""
        exact = np.can_cast(values.dtype, np.float32)  # else it is too coarse far from 0
        with np.errstate(invalid="ignore", over="ignore"):
            wide: NDArray[Any] = values.astype(np.float32 if exact else np.float64)
            share: NDArray[Any] = (wide - self.low) / (self.high - self.low)
            if self.is_sigmoid:
                share = 1 / (1 + np.exp(-4 * (share - 0.5)))
            share = np.clip(share, 0, 1)
        share = np.nan_to_num(share, copy=False, nan=0.0)
        if self.table:
            share = np.interp(share, np.linspace(0, 1, len(self.table)), self.table)
        return share.astype(np.float32, copy=False)

    def covers(self, values: NDArray[Any]) -> bool:
        """Tell whether there is more to be seen of the values than black, or than white."""
        return bool(np.any(values >= self.low) and np.any(values <= self.high))

    def turned(self, mirror: float) -> Window:
        """Return the window that gives ``mirror - value`` the contrary of a value's brightness."""
        table = tuple(1 - each for each in reversed(self.table))
        return replace(self, low=mirror - self.high, high=mirror - self.low, table=table)
