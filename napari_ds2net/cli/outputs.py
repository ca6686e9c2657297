"""Which images a run reads and which files it writes, settled before anything is computed."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from napari_ds2net.core.export.formats import (
    RECORD,
    ExportOptions,
    Format,
    MapType,
    file_ending,
    record_path,
)
from napari_ds2net.core.file_kinds import is_dicom, is_zarr
from napari_ds2net.errors import ImageError, SettingsError

_NEVER_DICOM = (".json", ".csv", ".txt", ".tif", ".png")
"""Endings of what lies beside images in great numbers and need not be opened."""
BIG_ENDING = "_segmentation.zarr"
"""What follows the stem in the name of a big image's result."""
MOST_NAMED = 3
"""How many files an error lists before it says "and so many more"."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One file to read, and what is written of it.

    Attributes
    ----------
    image
        The file to read.
    stem
        Of the files that are written.
    files
        All of them by their kind, the run record among them; of a stack they get numbers.
    redone
        Whether files that are there are this job's own and are replaced.
    """

    image: Path
    stem: str
    files: Mapping[str, Path]
    redone: bool = False

    @property
    def folder(self) -> Path:
        """Where its files are written."""
        return self.record.parent

    @property
    def record(self) -> Path:
        """The run record."""
        return self.files[RECORD]


def find_images(
    inputs: Iterable[Path], suffixes: Sequence[str], output: Path | None = None
) -> list[Path]:
    """Return the images that `inputs` name, each once, in their order.

    A file or a zarr folder is taken as it is; of another folder, zarr folders, the files with one
    of `suffixes` and DICOM files of any name, by name, without those in folders below it, hidden
    files, and what an earlier run wrote beside the images. A link that leads nowhere counts, so
    that it is told.

    Raises
    ------
    ImageError
        A folder holds no image.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        if not given.is_dir() or is_zarr(given):
            found.setdefault(given)
            continue
        images = [path for path in sorted(given.iterdir()) if _is_image(path, suffixes)]
        if output is not None and _same_folder(given, output):
            images = _without_results(images)
        if not images:
            raise ImageError(
                f"{given} holds no image; expected files like *{', *'.join(suffixes)}."
            )
        found.update(dict.fromkeys(images))
    return _each_once(found)


def plan_jobs(
    images: Sequence[Path],
    output: Path,
    options: ExportOptions,
    stem_of: Callable[[Path], str] = lambda path: path.stem,
) -> list[Job]:
    """Give every image its files in the folder `output`; images of one name get longer names.

    ``a.png`` and ``a.jpg`` become ``a_png_mask.png`` and ``a_jpg_mask.png``; two ``a.png`` become
    ``first_a_mask.png`` and ``second_a_mask.png``, after their folders; ``a:b.png`` becomes
    ``a_b_mask.png``. The run record is one of the files.
    """
    return [
        Job(
            image,
            stem,
            {
                **{what: output / f"{stem}{options.ending(what)}" for what in options.formats},
                RECORD: record_path(stem, output),
            },
        )
        for image, stem in zip(images, _distinct_stems(images, stem_of), strict=True)
    ]


def check_outputs(jobs: Sequence[Job], *, overwrite: bool) -> None:
    """Refuse to write over files that are there, and ever over an image of this run.

    Raises
    ------
    SettingsError
        A file exists and `overwrite` is false, or it is one of the images.
    """
    targets = [path for job in jobs for path in job.files.values()]
    images = {os.path.realpath(job.image) for job in jobs}
    own = [path for path in targets if os.path.realpath(path) in images]
    if own:
        raise SettingsError(
            f"{_some(own)} would be overwritten, but this run reads it; choose another --output."
        )
    there = [path for path in targets if os.path.lexists(path)]
    if there and not overwrite:
        raise SettingsError(
            f"{_some(there)} would be overwritten; choose another --output, or add --overwrite."
        )


def make_folder(folder: Path) -> None:
    """Make the folder for the results and try whether it takes a file.

    Raises
    ------
    SettingsError
        It cannot be made or written to.
    """
    probe = folder / f".ds2net-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"Nothing can be written into {folder} ({error.strerror}); choose another --output."
        ) from error


def _is_image(path: Path, suffixes: Sequence[str]) -> bool:
    if is_zarr(path):
        return not path.name.startswith(".") and not path.name.endswith(BIG_ENDING)
    if path.name.startswith(".") or not (path.is_file() or path.is_symlink()):
        return False
    suffix = path.suffix.lower()
    return suffix in suffixes or (suffix not in _NEVER_DICOM and is_dicom(path))


def _same_folder(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _without_results(images: Sequence[Path]) -> list[Path]:
    """Leave out ``a_mask.png`` and the like where there is an ``a`` that they belong to."""
    endings = {file_ending(what, kind) for what in Format for kind in MapType}
    results = {f"{image.stem}{ending}" for image in images for ending in endings}
    return [image for image in images if image.name not in results]


def _each_once(paths: Iterable[Path]) -> list[Path]:
    """Drop files named twice, such as by a folder and by themselves."""
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())


def _distinct_stems(images: Sequence[Path], stem_of: Callable[[Path], str]) -> list[str]:
    """Return a stem for every image; no two are equal for any file system."""
    from napari_ds2net.core.export.plan import allowed_name

    folders = [allowed_name(path.absolute().parent.name) for path in images]
    names = [allowed_name(path.name.replace(".", "_")) for path in images]
    stems = [allowed_name(stem_of(path)) for path in images]
    own = [allowed_name(path.stem) for path in images]
    for longer in (
        names,
        [f"{folder}_{stem}" for folder, stem in zip(folders, own, strict=True)],
        [f"{folder}_{name}" for folder, name in zip(folders, names, strict=True)],
        [f"{number}_{name}" for number, name in enumerate(names, start=1)],
    ):
        stems = [
            new if count > 1 else old
            for old, new, count in zip(stems, longer, _counts(stems), strict=True)
        ]
    return stems


def _counts(stems: Sequence[str]) -> list[int]:
    """Return how often each stem occurs; neither capitals count nor how accents are composed."""
    same = [unicodedata.normalize("NFC", stem.casefold()) for stem in stems]
    counter = Counter(same)
    return [counter[stem] for stem in same]


def _some(paths: Sequence[Path]) -> str:
    """Name a few files and count the rest."""
    named = ", ".join(str(path) for path in paths[:MOST_NAMED])
    rest = len(paths) - MOST_NAMED
    return f"{named} and {rest} more" if rest > 0 else named
