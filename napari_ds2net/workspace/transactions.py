"""Moving the files of a correction so that the journal decides, at one instant, what counts.

::

    accept   files into staging/  ->  journal line  ->  files from staging/ into place
    remove   names in history/    ->  journal line  ->  files in place deleted
    restore  names in staging/    ->  journal line  ->  files from staging/ into place

What is before the line is undone after a crash, what is after it is done again: both may be
repeated any number of times. The caller holds the workspace's lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from napari_ds2net.workspace import durable
from napari_ds2net.workspace.correction import Correction
from napari_ds2net.workspace.layout import FILES, Layout

_ABANDONED_SECONDS = 3600.0


def stage(layout: Layout, stem: str, revision: int, files: Mapping[str, bytes]) -> None:
    """Write the files of a revision that does not count yet.

    Raises
    ------
    OSError
        They cannot be written; then nothing is left behind.
    """
    folder = layout.staged(stem, revision)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        durable.make_folders(layout.staging, *layout.data_folders(), folder)
        for name, content in files.items():
            durable.write_new(folder / name, content)
        durable.sync_folder(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def not_in_place(layout: Layout, stem: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files to write: all but the image where an earlier revision's is in place."""

    def is_there(name: str, content: bytes) -> bool:
        place = layout.place(stem, name)
        return place.is_file() and place.stat().st_size == len(content)

    return {
        name: content
        for name, content in files.items()
        if not (name.startswith("image") and is_there(name, content))
    }


def keep(layout: Layout, correction: Correction, *, with_image: bool) -> None:
    """Give the files that count a second name in the history."""
    folder = layout.kept(correction.stem, correction.revision)
    durable.make_folders(layout.history, folder)
    for name in correction.files:
        source = layout.place(correction.stem, name)
        if (with_image or not name.startswith("image")) and source.exists():
            durable.keep_copy(source, folder / name)
    durable.sync_folder(folder)


def bring_back(layout: Layout, correction: Correction) -> None:
    """Stage the files of a removed correction."""
    kept = layout.kept(correction.stem, correction.revision)
    folder = layout.staged(correction.stem, correction.revision)
    shutil.rmtree(folder, ignore_errors=True)
    durable.make_folders(layout.staging, *layout.data_folders(), folder)
    for name in correction.files:
        durable.keep_copy(kept / name, folder / name)
    durable.sync_folder(folder)


def put_in_place(layout: Layout, correction: Correction) -> bool:
    """Move what is staged to where it counts; tell whether there was anything."""
    stem = correction.stem
    folder = layout.staged(stem, correction.revision)
    if not folder.is_dir():
        return False
    touched: set[Path] = set()
    for name in FILES:
        place = layout.place(stem, name)
        if (folder / name).exists():
            os.replace(folder / name, place)
            touched.add(place.parent)
        elif name not in correction.files and name == "reviewed.png" and place.exists():
            place.unlink()  # an earlier revision's
            touched.add(place.parent)
    for parent in touched:
        durable.sync_folder(parent)
    shutil.rmtree(folder)
    return True


def take_away(layout: Layout, correction: Correction) -> bool:
    """Delete the files of a removed correction where they counted; they are in the history."""
    kept = layout.kept(correction.stem, correction.revision)
    done = False
    for name in reversed(FILES):
        place = layout.place(correction.stem, name)
        if name in correction.files and _same(place, kept / name):
            place.unlink()
            durable.sync_folder(place.parent)
            done = True
    return done


def settle(
    layout: Layout, accepted: Collection[Correction], removed: Collection[Correction]
) -> tuple[str, ...]:
    """Finish what is in the journal, undo what is not, and say so.

    Returns
    -------
    tuple of str
        A sentence for each thing that was done.
    """
    told: list[str] = []
    for correction in accepted:
        try:
            if put_in_place(layout, correction):
                told.append(f"{correction.stem} was accepted but not yet in its place; it is now.")
        except OSError as error:  # it counts, and is found where it lies
            reason = error.strerror or str(error)
            told.append(f"{correction.stem} cannot be put in its place ({reason}).")
            continue
        shutil.rmtree(layout.kept(correction.stem, correction.revision), ignore_errors=True)
    for correction in removed:
        if take_away(layout, correction):
            told.append(f"{correction.stem} was removed but still in its place; it is gone now.")
    committed = {layout.staged(c.stem, c.revision) for c in accepted}
    for folder in layout.staging.iterdir() if layout.staging.is_dir() else ():
        if folder not in committed:
            shutil.rmtree(folder)
            told.append(f"An accept ({folder.name}) was cut short before it counted; it is undone.")
    _sweep(layout)
    return tuple(told)


def forget(layout: Layout) -> int:
    """Delete the history; return the number of bytes freed."""
    freed = 0
    for folder in layout.history.iterdir() if layout.history.is_dir() else ():
        freed += sum(path.stat().st_size for path in folder.iterdir())
        shutil.rmtree(folder)
    return freed


def discard_staged(layout: Layout, stem: str, revision: int) -> None:
    """Delete what was staged, as far as that is possible."""
    with contextlib.suppress(OSError):
        shutil.rmtree(layout.staged(stem, revision))


def _sweep(layout: Layout) -> None:
    """Delete half-written files that nobody can be writing any more."""
    for folder in (layout.folder, layout.drafts, layout.thumbnails):
        for path in folder.glob(f".*{durable.PART}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()


def _same(first: Path, second: Path) -> bool:
    """Tell whether two files are one, or hold the same bytes."""
    if not first.exists() or not second.exists():
        return False
    return first.samefile(second) or first.read_bytes() == second.read_bytes()
