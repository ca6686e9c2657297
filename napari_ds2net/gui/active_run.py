"""A segmentation under way: what was asked, what is finished, how far it is in words."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from napari_ds2net.core.export.record_parts import RegionRecord
from napari_ds2net.core.frame_words import frames_words
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.durations import left_words
from napari_ds2net.engine import Run
from napari_ds2net.engine.jobs import SegmentDone
from napari_ds2net.gui._layers import Region, ResultLayers
from napari_ds2net.gui.results import Frame, MadeWith
from napari_ds2net.gui.summary import time_words


@dataclass(slots=True)
class ActiveRun:
    """A segmentation under way.

    Attributes
    ----------
    number, run
        The bridge's number of it, and the engine's handle.
    results, frames, region, options
        What is segmented, and how.
    began
        The clock's time at the start, in seconds.
    finished
        The frames that are done.
    lost
        Those that could not be read, and why.
    done
        The worker's last word, once it has come.
    """

    number: int
    run: Run
    results: ResultLayers
    frames: list[Frame]
    region: Region | None
    options: InferenceOptions
    began: float = field(default_factory=time.monotonic)
    finished: list[Frame] = field(default_factory=list[Frame])
    lost: dict[Frame, str] = field(default_factory=dict[Frame, str])
    done: SegmentDone | None = None

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.began

    def share(self, of_frame: float = 0.0) -> float:
        """Return the part that is done, in [0, 1], with this part of the frame under way."""
        return (self._past + of_frame) / len(self.frames)

    def made(self, frame: Frame, device: str) -> MadeWith:
        """Say how a frame was made, with what was there of it before."""
        source = self.results.source
        now = MadeWith(self.results.model, self.options, device, source.channels_record)
        if self.region is None:
            return now
        height, width = source.plane_shape
        whole = RegionRecord(top=0, left=0, height=height, width=width)
        return now.then(self.region.record(), self.results.made.get(frame), whole)

    def progress_words(self, share: float, what: str) -> str:
        """Say which frame it is, what is done with it, and how long the rest will take."""
        total = len(self.frames)
        frame = f"Frame {min(self._past + 1, total)} of {total}. " if total > 1 else ""
        left = ""
        if 0.02 < share < 1 and self.seconds > 1:
            left = f", {left_words(self.seconds * (1 - share) / share)}"
        return f"{frame}{what}{left}"

    def done_words(self, device: str) -> str:
        """Say what was done, and how long it took."""
        count = len(self.finished)
        frames = f"{count} frames in " if count > 1 else "1 frame in " if self.lost else ""
        return f"Done: {frames}{time_words(self.seconds)}, on {device}.{self._lost_words()}"

    def cancelled_words(self) -> str:
        """Say how far it came."""
        done, total = len(self.finished), len(self.frames)
        kept = f"; {done} of {total} frames are finished and kept" if total > 1 else ""
        return f"Cancelled{kept}.{self._lost_words()}"

    def all_lost_words(self) -> str:
        """Say why there is no result."""
        return next(iter(self.lost.values()), "No frame was segmented.")

    @property
    def _past(self) -> int:
        return len(self.finished) + len(self.lost)

    def _lost_words(self) -> str:
        """Say after a space which frames could not be read; nothing where all could."""
        if not self.lost:
            return ""
        masks = "its mask is" if len(self.lost) == 1 else "their masks are"
        of = "Frame" if len(self.lost) == 1 else f"{len(self.lost)} frames"
        which = frames_words(self.lost)
        named = f"{of} {which}" if len(self.lost) == 1 else f"{of} ({which})"
        return f" {named} could not be read; {masks} as before."
