"""The range of brightness that a DICOM file asks viewers to show."""

from __future__ import annotations

import math

from pydicom import Dataset

_EXACT = ("LINEAR_EXACT", "SIGMOID")
"""Functions whose window is the width around the centre, without the half grey value (PS3.3
C.11.2.1.3); of a sigmoid it is where most of the change is."""


def window_of(header: Dataset) -> tuple[float, float] | None:
    """Return the values that are shown as black and as white, after rescaling.

    Parameters
    ----------
    header
        Of a file or, in enhanced ones, the item of ``FrameVOILUTSequence``.

    Returns
    -------
    Lower and upper end of the first window; where there is none, of the values that the first
    ``VOILUTSequence`` tells apart. None where the file asks for nothing that makes sense.
    """
    try:
        return _window(header)
    except (AttributeError, TypeError, ValueError):  # a value of a damaged header may be anything
        return None


def _window(header: Dataset) -> tuple[float, float] | None:
    centre, width = _first(header, "WindowCenter"), _first(header, "WindowWidth")
    if centre is None or width is None:
        return _range_of_table(header)
    if str(header.get("VOILUTFunction") or "LINEAR") in _EXACT:
        low, high = centre - width / 2, centre + width / 2
    else:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return (low, high) if high > low else None


def _first(header: Dataset, name: str) -> float | None:
    """Return the first of one or more numbers."""
    value = header.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except TypeError:  # several
        if not len(value):
            return None
        number = float(value[0])
    return number if math.isfinite(number) else None


def _range_of_table(header: Dataset) -> tuple[float, float] | None:
    """Return the values between which a look-up table makes a difference."""
    for item in header.get("VOILUTSequence") or ():
        entries, first, _ = (int(each) for each in item.LUTDescriptor)
        last = first + (entries or 2**16) - 1
        return (float(first), float(last)) if last > first else None
    return None
