"""The chain of a TIFF's pages, followed before anybody else does: a damaged one may have no end."""

from __future__ import annotations

import struct
from pathlib import Path

from napari_ds2net.errors import ImageError

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
_IMAGE_WIDTH = 256
_MOST_TAGS = 4096
"""Of a page; readers take more for damage."""


def refuse_broken_chain(path: Path) -> None:
    """Follow the chain of pages to its end.

    In a TIFF every page says where the next one is. Readers that trust it go round for hours, and
    take more and more memory, where damage has made a page point back; and where a file was cut
    short, or the description of a page is damaged, they take the pages that are left for all.

    Raises
    ------
    ImageError
        The chain comes back to a page where it was, goes on behind the end of the file, or breaks
        off at a page that is damaged.
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
            tags = file.read(entries * entry) if entries <= _MOST_TAGS else b""
            if not _describes_page(tags, entry, order):
                if len(seen) == 1:
                    return  # nonsense, of which the reader tells
                raise ImageError(
                    f"The description of page {len(seen) - 1} of {path.name}, counted from 0, is "
                    "damaged, and only it says where the pages behind it are. Save or copy it anew."
                )
            page = number(offset)


def _describes_page(tags: bytes, entry: int, order: str) -> bool:
    """Tell whether tags, of `entry` bytes each, say how wide an image is, as those of all pages."""
    codes = {struct.unpack_from(f"{order}H", tags, at)[0] for at in range(0, len(tags) - 1, entry)}
    return _IMAGE_WIDTH in codes
