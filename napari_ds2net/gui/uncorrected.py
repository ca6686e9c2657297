"""The images of a viewer that are not corrected yet, and how a worker gets at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psygnal import Signal

from napari_ds2net.errors import ImageError
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter
from napari_ds2net.gui._layers.uncorrected import OpenFrame, to_send, uncorrected
from napari_ds2net.gui.corrections import Corrections


@dataclass(frozen=True, slots=True)
class Counted:
    """How many images are not corrected yet.

    Attributes
    ----------
    waiting
        Files of a folder whose turn has not come.
    frames
        Frames of open images.
    """

    waiting: int
    frames: int

    @property
    def total(self) -> int:
        """Both."""
        return self.waiting + self.frames

    def sentence(self, most: int) -> str:
        """Say the same in words; `most` of them are used."""
        if not self.total:
            return "No image is without a correction: open more, or a folder of them."
        parts: list[str] = []
        if self.frames:
            parts.append(f"{self.frames} open")
        if self.waiting:
            parts.append(f"{self.waiting} waiting in the folder")
        images = f"{self.total} image{'s' * (self.total != 1)} without a correction"
        told = f"Learns from {images}, too: {', '.join(parts)}"
        return f"{told}; {most} of them are used." if self.total > most else f"{told}."


class Uncorrected:
    """Counts and gathers the images without a correction; used on the main thread.

    Parameters
    ----------
    layers, corrections
        The open images, and the files of the folder that wait.

    Signals
    -------
    changed
        There may be another number of them.
    """

    changed = Signal()

    def __init__(self, layers: LayerAdapter, corrections: Corrections) -> None:
        self._layers = layers
        self._corrections = corrections
        self._connections = Connections()
        for signal in (layers.images_changed, corrections.changed, corrections.waiting_changed):
            self._connections.add(signal, self._on_change)

    def close(self) -> None:
        """Follow nothing any more."""
        self._connections.close()

    def count(self) -> Counted:
        """Return how many there are."""
        frames = sum(len(frames) for _, frames in uncorrected(self._layers))
        return Counted(len(self._corrections.waiting), frames)

    def gather(self, most: int) -> list[Path | OpenFrame]:
        """Return at most `most` of them, evenly chosen: files, and frames to be written."""
        found: list[Path | OpenFrame] = [Path(path) for path in self._corrections.waiting]
        for source, frames in uncorrected(self._layers):
            found += to_send(source, frames)
        if len(found) <= most:
            return found
        return [found[round(at * (len(found) - 1) / max(1, most - 1))] for at in range(most)]

    def _on_change(self, *_: object) -> None:
        self.changed.emit()


def write_frames(
    items: Sequence[Path | OpenFrame], folder: Path, wanted: Callable[[], bool]
) -> list[str]:
    """Write open frames into a folder, and return the paths of all; may run in a thread.

    Parameters
    ----------
    items
        From `Uncorrected.gather`.
    folder
        Where to write.
    wanted
        Asked before each; where it says no, nothing more is written.

    Raises
    ------
    ImageError
        There is no room for them.
    """
    paths: list[str] = []
    for number, item in enumerate(items):
        if not wanted():
            break
        try:
            path = item if isinstance(item, Path) else item.write(folder / f"{number:04d}")
        except OSError as error:
            raise ImageError(
                "The open frames could not be written where the program that learns can read them "
                f"({error.strerror}); make room, or choose another mode."
            ) from error
        if path is not None:
            paths.append(str(path))
    return paths
