"""Which images of a batch are finished, so that a command given again goes on where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ds2net.cli.outputs import MOST_NAMED, Job
from napari_ds2net.core.export.record import RunRecord, hash_pixels
from napari_ds2net.errors import DS2NetError, SettingsError

if TYPE_CHECKING:
    from napari_ds2net.cli.segmenting import Segmenting
    from napari_ds2net.core.export.record import Origin
    from napari_ds2net.core.image import ImageData

_BLOCK_BYTES = 2**20


class State(enum.Enum):
    """What is there of an image."""

    MISSING = "missing"
    """Nothing."""
    FINISHED = "finished"
    """All that is wanted, of this image, made with this model and these settings."""
    BROKEN = "broken"
    """A part; all of it is its own.

    The program was killed while it named the files, or frames were missing that can be read now.
    """
    STALE = "stale"
    """Results of another image, another model, other settings, or not all that is wanted."""
    FOREIGN = "foreign"
    """Files that no record tells of, or that were changed since."""


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How far an image is; `why` says what is not as wanted, and `record` what there is."""

    state: State
    why: str = ""
    record: RunRecord | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do, and what was finished before; `finished` has the records."""

    left: tuple[Job, ...]
    finished: tuple[tuple[Job, RunRecord], ...]


def plan_rest(
    jobs: Sequence[Job],
    how: Segmenting,
    origin: Origin,
    *,
    update: bool = False,
    on_look: Callable[[Job], None] = lambda _: None,
) -> Plan:
    """See what is there of every image.

    Parameters
    ----------
    jobs
        The batch.
    how
        How images are segmented, and what is wanted of them.
    origin
        Model and settings.
    update
        Whether results of other images, models or settings are replaced.
    on_look
        Called before an image is looked at.

    Raises
    ------
    SettingsError
        Something is there that would have to be overwritten.
    """
    left: list[Job] = []
    finished: list[tuple[Job, RunRecord]] = []
    refused: dict[State, list[tuple[Job, str]]] = {State.STALE: [], State.FOREIGN: []}
    for job in jobs:
        on_look(job)
        standing = look(job, how, origin)
        if standing.state is State.FINISHED and standing.record is not None:
            finished.append((job, standing.record))
            continue
        replaced = standing.state is State.BROKEN or (update and standing.state is State.STALE)
        left.append(dataclasses.replace(job, redone=replaced))
        if standing.state in refused and not replaced:
            refused[standing.state].append((job, standing.why))
    _refuse(refused[State.FOREIGN], "add --overwrite to write over them and over all others")
    _refuse(
        refused[State.STALE],
        "add --update to do these again, or --overwrite to do all of them again",
    )
    return Plan(tuple(left), tuple(finished))


def look(job: Job, how: Segmenting, origin: Origin) -> Standing:
    """See what is there of an image."""
    if not os.path.lexists(job.record):
        there = [path for path in job.files.values() if os.path.lexists(path)]
        if there:
            return Standing(State.FOREIGN, f"{there[0].name} is there without a record of it")
        return Standing(State.MISSING)
    try:
        record = RunRecord.read(job.record)
    except DS2NetError:
        return Standing(State.FOREIGN, f"{job.record.name} is no record that can be read")
    here = [each for each in record.files if os.path.lexists(job.folder / each.name)]
    for each in here:
        if _digest(job.folder / each.name) != each.sha256:
            return Standing(State.FOREIGN, f"{each.name} was changed since it was written")
    difference = _made_otherwise(record, how, origin)
    if difference:
        return Standing(State.STALE, difference)
    try:
        image = how.read(job.image)
    except (DS2NetError, OSError):  # its turn comes, and fails without touching anything
        return Standing(State.MISSING)
    try:
        same = _same_image(record, image)
    except (DS2NetError, OSError) as error:
        return Standing(State.STALE, f"not all of its image can be read any more ({error})")
    if not same:
        return Standing(
            State.STALE, "it is of another image, of other channels or of other pixel sizes"
        )
    if len(here) < len(record.files) or _missing_can_be_read(record, image):
        return Standing(State.BROKEN)
    return Standing(State.FINISHED, record=record)


def _made_otherwise(record: RunRecord, how: Segmenting, origin: Origin) -> str:
    """Say how model, settings or files differ from those that are wanted; empty if not."""
    made = record.origin
    if made.model is None or origin.model is None or made.model.sha256 != origin.model.sha256:
        name = "no model" if made.model is None else f"the model {made.model.name!r}"
        return f"it was made with {name} in another version than this one"
    if made.settings != origin.settings or made.part or made.edited:
        return "it was made with other settings"
    if record.source is None or made.found is None:
        return "it was not made by this command"
    wanted = {(what.value, how.wanted.ending(what)) for what in how.wanted.formats}
    there = {(each.format, _ending(each.name, each.format)) for each in record.files}
    absent = sorted(what for what, _ in wanted - there)
    return f"it has no {', '.join(absent)}" if absent else ""


def _ending(name: str, what: str) -> str:
    """Return the part of a file's name from the word of its format on."""
    return f"_{what}{Path(name).suffix}"


def _same_image(record: RunRecord, image: ImageData) -> bool:
    source = record.source
    return (
        source is not None
        and source.scale == tuple(image.scale)
        and source.unit == image.unit
        and source.shape == tuple(int(n) for n in image.array.shape)
        and source.sha256 == hash_pixels(image, frozenset(source.missing))
    )


def _missing_can_be_read(record: RunRecord, image: ImageData) -> bool:
    """Tell whether a frame can be read now that could not be when the results were made."""
    for frame in () if record.source is None else record.source.missing:
        with contextlib.suppress(DS2NetError, OSError):
            image.frame(*frame)
            return True
    return False


def _refuse(refused: Sequence[tuple[Job, str]], remedy: str) -> None:
    if not refused:
        return
    named = "; ".join(f"{job.stem}: {why}" for job, why in refused[:MOST_NAMED])
    rest = len(refused) - MOST_NAMED
    more = f"; and {rest} more" if rest > 0 else ""
    raise SettingsError(
        f"Results are there that would be overwritten ({named}{more}). Choose another --output, or "
        f"{remedy}."
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
