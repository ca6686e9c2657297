"""The chain of a TIFF's pages, followed before anybody else does: a damaged one may have no end."""

from __future__ import annotations

import struct
from pathlib import Path

from napari_ds2net.errors import ImageError

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43


def refuse_broken_chain(path: Path) -> None:
    """Follow the chain of pages to its end.

    In a TIFF every page says where the next one is. Readers that trust it go round for hours, and
    take more and more memory, where damage has made a page point back; and where a file was cut
    short, they take the pages that are left for all that there were.

    Raises
    ------
    ImageError
        The chain comes back to a page where it was, or goes on behind the end of the file.
    OSError
        The file cannot be read.
    """
    seen: set[int] = set()
    size = path.stat().st_size
    with path.open("rb") as file:
        order = _ORDERS.get(file.read(2), "<")
        kind = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0]
        if kind not in (_CLASSIC, _BIG):
            return
        offset, count, entry = ("Q", "Q", 20) if kind == _BIG else ("I", "H", 12)
        file.seek(8 if kind == _BIG else 4)

        def number(form: str) -> int:
            """Read a number; 0 behind the end of the file."""
            length = struct.calcsize(form)
            return int(struct.unpack(order + form, file.read(length).ljust(length, b"\0"))[0])

        page = number(offset)
        while page:
            if page in seen:
                raise ImageError(
                    f"{path.name} has a page that is followed by itself or an earlier one, so it "
                    "is damaged. Save or copy it anew."
                )
            if page >= size:
                raise ImageError(
                    f"{path.name} is cut short: its page {len(seen) + 1} belongs behind the end of "
                    "the file. Save or copy it anew."
                )
            seen.add(page)
            file.seek(page)
            entries = number(count)
            if entries * entry > size:
                return  # nonsense, of which the reader tells
            file.seek(entries * entry, 1)
            page = number(offset)
