"""Files that the user names for figures: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_text_file(path: Path, text: str) -> None:
    """Write a text in UTF-8, into a folder that is made if needed; one that exists is replaced.

    Parameters
    ----------
    path
        A file, a link to one, or what is none and is written to as it is, such as
        ``/dev/stdout``.
    text
        What is no character in it, as names of files may hold, is written as in Python.

    Raises
    ------
    ExportError
        It cannot be written; an older file stays as it was.
    """
    from napari_ds2net.core.export.atomic import write_atomically

    data = text.encode(errors="backslashreplace")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    write_atomically(target, lambda file: file.write(data))
