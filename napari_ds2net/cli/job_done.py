"""What became of an image of a batch, and of frames of it that could not be read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_ds2net.cli.console import in_words
from napari_ds2net.core.frame_words import frames_words
from napari_ds2net.errors import DS2NetError

if TYPE_CHECKING:
    from napari_ds2net.cli.outputs import Job
    from napari_ds2net.core.export.record import RunRecord


@dataclasses.dataclass(frozen=True, slots=True)
class LostFrames:
    """Frames of a stack that could not be read.

    Attributes
    ----------
    frames
        Their places along the axes in front of Y and X.
    total
        Frames of the stack, these among them.
    reason
        Why the first of them could not be read; empty where nobody knows any more.
    """

    frames: tuple[tuple[int, ...], ...]
    total: int
    reason: str = ""

    @classmethod
    def of(
        cls, errors: Mapping[tuple[int, ...], DS2NetError | OSError], total: int
    ) -> LostFrames | None:
        """Tell of frames that were met just now; None where there are none."""
        first = next(iter(errors.values()), None)
        return None if first is None else cls(tuple(errors), total, in_words(first))

    @classmethod
    def told_by(cls, record: RunRecord) -> LostFrames | None:
        """Tell of those that a run record names; None where there are none."""
        source = record.source
        if source is None or not source.missing:
            return None
        total = math.prod(source.shape[: source.axes.index("y")])
        return cls(tuple(sorted(source.missing)), total)

    def __str__(self) -> str:
        """Say it in a sentence or two."""
        are = "is" if len(self.frames) == 1 else "are"
        said = (
            f"{len(self.frames)} of {self.total} frames could not be read and {are} left empty "
            f"({frames_words(self.frames)}, counted from 0)."
        )
        return f"{said} {self.reason}".rstrip()


@dataclasses.dataclass(frozen=True, slots=True)
class JobDone:
    """An image is segmented and written, or it failed.

    Attributes
    ----------
    job
        The image.
    record
        What was made of it; None where it failed.
    failure
        Why it failed.
    notes
        Sentences for the user, where it went on in a smaller or slower way.
    lost
        Frames that could not be read, where the others are written.
    """

    job: Job
    record: RunRecord | None = None
    failure: DS2NetError | OSError | None = None
    notes: tuple[str, ...] = ()
    lost: LostFrames | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """How many images failed, and how many lack frames."""

    failed: int = 0
    incomplete: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(self.failed + other.failed, self.incomplete + other.incomplete)

    @classmethod
    def of(cls, done: JobDone) -> Tally:
        """Count one image."""
        return cls(int(done.failure is not None), int(done.lost is not None))
