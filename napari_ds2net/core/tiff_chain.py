"""The chain of a TIFF's pages, followed before anybody else does: a damaged one may have no end."""

from __future__ import annotations

import struct
from pathlib import Path

from napari_ds2net.errors import ImageError

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43


def refuse_endless(path: Path) -> None:
    """Follow the chain of pages to its end.

    In a TIFF every page says where the next one is. Readers that trust it go round for hours, and
    take more and more memory, where damage has made a page point back.

    Raises
    ------
    ImageError
        The chain comes back to a page where it was.
    OSError
        The file cannot be read.
    """
    seen: set[int] = set()
    with path.open("rb") as file:
        order = _ORDERS.get(file.read(2), "<")
        kind = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0]
        if kind not in (_CLASSIC, _BIG):
            return
        offset, count, entry = ("Q", "Q", 20) if kind == _BIG else ("I", "H", 12)
        file.seek(8 if kind == _BIG else 4)

        def number(form: str) -> int:
            """Read a number; 0 behind the end of the file."""
            size = struct.calcsize(form)
            return int(struct.unpack(order + form, file.read(size).ljust(size, b"\0")[:size])[0])

        page = number(offset)
        while page:
            if page in seen:
                raise ImageError(
                    f"{path.name} has a page that is followed by itself or an earlier one, so it "
                    "is damaged. Save or copy it anew."
                )
            seen.add(page)
            file.seek(page)
            entries = number(count)
            if entries * entry > path.stat().st_size:
                return  # nonsense, of which the reader tells
            file.seek(entries * entry, 1)
            page = number(offset)
            if page >= 2**63:
                return
