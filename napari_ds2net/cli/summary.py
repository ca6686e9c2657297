"""The table of a batch: a line per image, whatever became of it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from napari_ds2net.cli.console import in_words
from napari_ds2net.cli.job_done import JobDone
from napari_ds2net.core.export.atomic import write_atomically
from napari_ds2net.core.export.units import pixel_size
from napari_ds2net.errors import SettingsError

NAME = "segment_summary.csv"
COLUMNS = (
    "image", "file", "status", "frames", "missing_frames", "objects", "area_percent", "area",
    "area_unit", "mean_uncertainty", "score", "seconds", "message",
)  # fmt: skip
_COLUMNS_BEFORE = tuple(name for name in COLUMNS if name != "missing_frames")
"""Of tables that older versions wrote."""

Row = Mapping[str, str]


class Summary:
    """Writes ``segment_summary.csv``: a line as soon as an image is done, all in order at the end.

    What was finished before is told by its run record, so the table of a batch that was killed is
    complete once the batch is resumed. Lines of images of other batches into the same folder stay.

    Parameters
    ----------
    folder
        Where the results are.
    order
        The images of this batch, by the stems of their results.

    Raises
    ------
    SettingsError
        There is a file of this name that is no such table.
    """

    def __init__(self, folder: Path, order: Iterable[str]) -> None:
        self.path = folder / NAME
        mine = dict.fromkeys(order)
        others = {name: row for name, row in _read(self.path).items() if name not in mine}
        self._rows: dict[str, Row | None] = {**others, **mine}

    def begin(self, known: Iterable[JobDone]) -> None:
        """Write what is known before the first image.

        Raises
        ------
        ExportError
            It cannot be written.
        """
        for done in known:
            self._rows[done.job.stem] = self._row(done)
        self.finish()

    def add(self, done: JobDone) -> None:
        """Add a line.

        Raises
        ------
        OSError
            The disk is full.
        """
        row = self._row(done)
        self._rows[done.job.stem] = row
        with self.path.open("ab") as file:
            file.write(_text([row]))

    def _row(self, done: JobDone) -> Row:
        folders = (done.job.image.parent, self.path.parent)
        return _row(done, lambda words: _plain(words, folders))

    def finish(self) -> None:
        """Write the table anew, in the order of the images.

        Raises
        ------
        ExportError
            It cannot be written; the one that is there stays as it is.
        """
        header = (",".join(COLUMNS) + "\n").encode()
        body = _text(row for row in self._rows.values() if row is not None)
        write_atomically(self.path, lambda file: file.write(header + body))


def _row(done: JobDone, plain: Callable[[str], str]) -> Row:
    """Return the line of an image; `plain` makes one line of sentences."""
    row = {"image": done.job.stem, "file": done.job.image.name}
    if done.failure is not None:
        message = plain(in_words(done.failure))
        return {**row, "status": "failed", "message": message}
    lost = () if done.lost is None else (plain(str(done.lost)),)
    row |= {
        "status": "incomplete" if lost else "done",
        "message": " ".join((*lost, *done.notes)),
        "missing_frames": str(len(done.lost.frames)) if done.lost is not None else "0",
    }
    record = done.record
    if record is None or record.origin.found is None or record.source is None:
        return row
    found, source = record.origin.found, record.source
    row |= {
        "frames": str(found.frames),
        "objects": str(found.objects),
        "area_percent": f"{100 * found.foreground_share:.4f}",
        "mean_uncertainty": f"{found.mean_uncertainty:.6f}",
        "score": f"{found.score:.6f}",
        "seconds": f"{found.seconds:.3f}",
    }
    size = pixel_size(source.scale, source.unit)
    at = source.axes.index("y")
    pixels = source.shape[at] * source.shape[at + 1]
    area = found.foreground_share * pixels * size.height * size.width
    return row | {"area": f"{area:.9g}", "area_unit": f"{size.word}2" if size.is_known else "px"}


def _plain(words: str, folders: Iterable[Path]) -> str:
    """Return sentences in one line, without the folders, which may name somebody."""
    for folder in dict.fromkeys(map(str, folders)):
        words = words if folder == "." else words.replace(folder + os.sep, "")
    return " ".join(words.split())


def _text(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([row.get(name, "") for name in COLUMNS] for row in rows)
    return text.getvalue().encode(errors="backslashreplace")


def _read(path: Path) -> dict[str, Row]:
    """Read the lines that are there; a last one that was cut short by a kill is left out."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read; move it away, or choose another --output."
        ) from error
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    if tuple(reader.fieldnames or ()) not in (COLUMNS, _COLUMNS_BEFORE):
        raise SettingsError(
            f"{path} is no summary of this command; move it away, or choose another --output."
        )
    return {row["image"]: row for row in reader if None not in row and None not in row.values()}
