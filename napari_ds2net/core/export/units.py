"""Lengths of pixels in the words of those who read them. No pint: headless exports need few."""

from __future__ import annotations

from dataclasses import dataclass

_SYMBOLS = {
    "nanometer": "nm", "nm": "nm",
    "micrometer": "µm", "micron": "µm", "um": "µm", "µm": "µm", "μm": "µm",
    "millimeter": "mm", "mm": "mm",
    "centimeter": "cm", "cm": "cm",
    "meter": "m", "m": "m",
    "inch": "in", "in": "in",
}  # fmt: skip
"""The symbol of OME by the names that pint, OME and people use; µ is the micro sign."""
_IN_CM = {"nm": 1e-7, "µm": 1e-4, "mm": 0.1, "cm": 1.0, "m": 100.0, "in": 2.54}
_TIMES = {
    "second": "s",
    "sec": "s",
    "s": "s",
    "millisecond": "ms",
    "ms": "ms",
    "minute": "min",
    "min": "min",
}


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Height and width of a pixel.

    Attributes
    ----------
    height, width
        In `symbol`; 1 where nothing is known.
    symbol
        ``"nm"``, ``"µm"``, ``"mm"``, ``"cm"``, ``"m"``, ``"in"``; empty where the size is unknown.
    """

    height: float = 1.0
    width: float = 1.0
    symbol: str = ""

    @property
    def is_known(self) -> bool:
        """Whether lengths can be given in a physical unit."""
        return bool(self.symbol)

    @property
    def is_square(self) -> bool:
        """Whether height and width are the same."""
        return abs(self.height - self.width) <= 1e-9 * max(self.height, self.width)

    @property
    def word(self) -> str:
        """The unit in a column's name, in ASCII: ``"um"``, ``"mm"``, ...; ``"px"``."""
        return self.symbol.replace("µ", "u") or "px"

    @property
    def per_cm(self) -> tuple[float, float] | None:
        """Pixels per centimetre along x and y, as TIFF wants them; None if unknown."""
        if not self.is_known:
            return None
        centimetres = _IN_CM[self.symbol]
        return 1 / (self.width * centimetres), 1 / (self.height * centimetres)


def pixel_size(scale: tuple[float, ...], unit: str) -> PixelSize:
    """Return the size of a pixel, unknown where the unit is no length.

    Parameters
    ----------
    scale
        Lengths of steps along the axes, the last two along Y and X.
    unit
        As pint, OME or people write it, such as ``"micrometer"``.
    """
    symbol = length_symbol(unit)
    if not symbol:
        return PixelSize()
    return PixelSize(abs(scale[-2]), abs(scale[-1]), symbol)


def length_symbol(unit: str) -> str:
    """Return OME's symbol of a unit of length, empty if it is none."""
    word = unit.strip()
    return _SYMBOLS.get(word) or _SYMBOLS.get(
        word.lower().rstrip("s").replace("metre", "meter"), ""
    )


def in_unit(length: float, unit: str, wanted: str) -> float | None:
    """Return a length in another unit; None where one of them is none, unless both are the same."""
    if unit == wanted:
        return length
    here, there = (_IN_CM.get(length_symbol(each)) for each in (unit, wanted))
    return None if here is None or there is None else length * here / there


def time_symbol(unit: str) -> str:
    """Return OME's symbol of a unit of time, empty if it is none."""
    word = unit.strip().lower()
    return _TIMES.get(word) or _TIMES.get(word.rstrip("s"), "")
