"""The range of brightness that a DICOM file asks viewers to show (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from napari_ds2net.core.dicom_groups import frame_item
from napari_ds2net.core.frames import Frames
from napari_ds2net.errors import ImageError
from napari_ds2net.window import Window

_INSTEAD = "networks see its brightness stretched instead."
_NEXT = 1e-6
"""A linear window of width 1 has black and white, and nothing between."""
_SAMPLES = 5
"""Frames of a stack that are compared with their windows."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says of how its values are to be seen.

    Attributes
    ----------
    windows
        One, or one per frame; empty where values are to be stretched.
    note
        Why they are, though the file asks for something; empty where it does not.
    """

    windows: tuple[Window, ...] = ()
    note: str = ""


def find_windows(header: Dataset, frames: Frames, mirror: float | None) -> Found:
    """Return the windows of grey frames, if they make sense.

    Parameters
    ----------
    header
        Of the file.
    frames
        As they are segmented: rescaled, and turned where the file's white is low.
    mirror
        What a value and its turned one add up to; None where none is turned.
    """
    count = len(frames) if frames.is_stack else 1
    sources = [_source(header, number) for number in range(count)]
    asked = {id(each): each for each in sources if each is not None}
    if not asked:
        return Found()
    said_by = {at: _turned(window_of(each), mirror) for at, each in asked.items()}
    found = [None if source is None else said_by[id(source)] for source in sources]
    windows = [each for each in found if each is not None]
    if len(windows) < count:
        none = "Its window makes no sense"
        some = "Not all of its frames have a window that makes sense"
        return Found(note=f"{some if windows else none}; {_INSTEAD}")
    if not _covers(windows, frames):
        low, high = windows[0].low, windows[0].high
        return Found(note=f"Its window, {low:g} to {high:g}, covers none of its values; {_INSTEAD}")
    same = all(each is windows[0] or each == windows[0] for each in windows)
    return Found(tuple(windows[:1] if same else windows))


def _turned(window: Window | None, mirror: float | None) -> Window | None:
    return window if window is None or mirror is None else window.turned(mirror)


def _source(header: Dataset, number: int) -> Dataset | None:
    """Return what tells how a frame is to be seen; None where nothing does."""
    own = frame_item(header, "FrameVOILUTSequence", number)
    for each in (own, header):
        if each is not None and _asks(each):
            return each
    return None


def _covers(windows: Sequence[Window], frames: Frames) -> bool:
    """Compare some frames with their windows; a black one in front says nothing of the others."""
    for number in sorted({round(at) for at in np.linspace(0, len(windows) - 1, _SAMPLES)}):
        try:
            values = frames.frame(number)
        except ImageError:
            continue
        if windows[number].covers(values):
            return True
    return False


def window_of(header: Dataset) -> Window | None:
    """Return how values are to be seen, after rescaling.

    Parameters
    ----------
    header
        Of a file or, in enhanced ones, the item of ``FrameVOILUTSequence``.

    Returns
    -------
    The first window; where there is none, the first table of ``VOILUTSequence``. None where the
    file asks for nothing, or for nothing that makes sense.
    """
    for found in (_window, _table):
        try:
            if (window := found(header)) is not None:
                return window
        except (AttributeError, IndexError, TypeError, ValueError):
            continue  # a value of a damaged header may be anything
    return None


def _asks(header: Dataset) -> bool:
    """Tell whether a header says anything of how values are to be seen, sensible or not."""
    named = (header.get(name) for name in ("WindowCenter", "WindowWidth"))
    return any(each not in (None, "") for each in named) or bool(header.get("VOILUTSequence"))


def _window(header: Dataset) -> Window | None:
    centre, width = _first(header, "WindowCenter"), _first(header, "WindowWidth")
    if centre is None or width is None:
        return None
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    if function in ("LINEAR_EXACT", "SIGMOID"):
        low, high = centre - width / 2, centre + width / 2
    else:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        high = high if width > 1 else high + _NEXT * (width == 1)
    return Window(low=low, high=high, is_sigmoid=function == "SIGMOID")


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


def _table(header: Dataset) -> Window | None:
    """Return the first look-up table, without its ends where nothing changes any more."""
    for item in header.get("VOILUTSequence") or ():
        values = _brightness(item)
        steps = np.flatnonzero(np.diff(values))
        if not len(steps):
            return None
        start, stop = int(steps[0]), int(steps[-1]) + 1
        first = int(item.LUTDescriptor[1])
        table = values[start : stop + 1]
        line = np.linspace(0, 1, len(table))
        is_line = np.allclose(table, line, rtol=0, atol=1e-7)
        return Window(
            low=float(first + start),
            high=float(first + stop),
            table=() if is_line else tuple(float(each) for each in table.round(7)),
        )
    return None


def _brightness(item: Dataset) -> NDArray[np.float64]:
    """Return the entries of a look-up table, in [0, 1]; none where it is not whole."""
    entries, _, bits = (int(each) for each in item.LUTDescriptor)
    entries = entries or 2**16
    data: Any = item.LUTData
    if isinstance(data, bytes):
        order = ">" if item.original_encoding[1] is False else "<"
        is_packed = bits <= 8 and len(data) < 2 * entries
        data = np.frombuffer(data, np.uint8 if is_packed else f"{order}u2")
    values = np.asarray(data, np.float64).ravel()[:entries]
    if len(values) < entries or not 1 <= bits <= 16:
        return np.zeros(0)
    return np.asarray((values / (2**bits - 1)).clip(0, 1), np.float64)
