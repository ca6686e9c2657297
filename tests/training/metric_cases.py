"""Probability maps and true masks drawn by formula, on which the metrics are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Coordinates = NDArray[np.float64]


class Case(NamedTuple):
    probability: NDArray[np.float64]
    truth: NDArray[np.bool_]


def _disc(
    y: Coordinates, x: Coordinates, centre: tuple[float, float], radius: float
) -> Coordinates:
    return radius - np.hypot(y - centre[0], x - centre[1])


def _sigmoid(logits: Coordinates) -> Coordinates:
    return 1.0 / (1.0 + np.exp(-logits))


def _shifted_disc(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(_disc(y, x, (30, 34), 15) / 5), _disc(y, x, (32, 32), 16)


def _wavy(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    waves = 0.5 + 0.5 * np.sin(0.31 * y + 0.1) * np.cos(0.23 * x)
    return waves, _disc(y, x, (20, 50), 13)


def _two_objects_one_found(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    true = np.maximum(_disc(y, x, (15, 20), 9), _disc(y, x, (60, 70), 14))
    return _sigmoid(_disc(y, x, (61, 69), 13)), true


def _at_the_border(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return 0.9 * _sigmoid(_disc(y, x, (2, 4), 21) / 2) + 0.03, _disc(y, x, (-3, 1), 24)


def _one_pixel(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(_disc(y, x, (11, 9), 3)), _disc(y, x, (12, 9), 0.5)


def _nearly_full(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(4.0 - 0.05 * y + 0.03 * x), _disc(y, x, (20, 30), 45)


def _wrong_side(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(_disc(y, x, (12, 12), 8)), _disc(y, x, (44, 50), 9)


def _timid(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return 0.2 * _sigmoid(_disc(y, x, (25, 25), 12)), _disc(y, x, (24, 26), 12)


def _exact(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    true = _disc(y, x, (33, 31), 12)
    return (true >= 0).astype(np.float64), true


def _all_zero(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return np.zeros_like(y), _disc(y, x, (25, 25), 10)


def _empty_truth(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(_disc(y, x, (30, 34), 8)), np.full_like(y, -1.0)


def _full_truth(y: Coordinates, x: Coordinates) -> tuple[Coordinates, Coordinates]:
    return _sigmoid(_disc(y, x, (30, 34), 30) / 4), np.full_like(x, 1.0)


_DRAWINGS: dict[
    str,
    tuple[tuple[int, int], Callable[[Coordinates, Coordinates], tuple[Coordinates, Coordinates]]],
] = {
    "shifted disc": ((64, 64), _shifted_disc),
    "waves": ((57, 83), _wavy),
    "two objects, one found": ((80, 96), _two_objects_one_found),
    "at the border": ((48, 40), _at_the_border),
    "one pixel": ((31, 24), _one_pixel),
    "nearly full": ((50, 61), _nearly_full),
    "wrong side": ((64, 64), _wrong_side),
    "timid": ((50, 50), _timid),
    "exact": ((64, 64), _exact),
    "all zero": ((50, 50), _all_zero),
    "empty truth": ((64, 64), _empty_truth),
    "full truth": ((64, 64), _full_truth),
}


def metric_cases() -> dict[str, Case]:
    """Return the cases by name: probability float64 in [0, 1] and truth bool, shape (Y, X)."""
    drawn: dict[str, Case] = {}
    for name, (shape, draw) in _DRAWINGS.items():
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
        probability, level = draw(y, x)
        drawn[name] = Case(probability, level >= 0)
    return drawn
