"""Videos (MP4, AVI, MOV, ...) through PyAV, decoded frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from napari_ds2net.core.frames import Frames, OpenedFile
from napari_ds2net.errors import ImageError

_FAR = 64
"""Frames ahead from which jumping to the next key frame beats decoding all between."""
_ALWAYS_LENIENT = 19
"""The PyAV that takes texts in any encoding by itself, and no word for it any more."""
_LENIENT: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < _ALWAYS_LENIENT else {}
)
"""What lets PyAV open a file whose texts, which nobody reads, are in an odd encoding."""


class VideoFrames(Frames):
    """The frames of a video's first picture track, uint8, shape (T, Y, X, 3).

    Frames are found by their time stamps. One after the other they are decoded in one go; a jump
    starts at the key frame before, so it costs the more the rarer key frames are.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ImageError
        It is no video, has no picture, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        container, stream = _opened(path)
        with container:
            self._stamps = _stamps(container, stream, path)
        self._known = frozenset(self._stamps)
        container, stream = _opened(path)  # not all can be wound back, such as an AVI cut short
        with container:
            first = _first_frame(container, stream, path)
            rate = stream.average_rate or stream.base_rate
        self.rate_hz = float(rate) if rate else 0.0
        super().__init__(path, (len(self._stamps), *first.shape), np.dtype(np.uint8), front=1)
        self._container: InputContainer | None = None
        self._decoder: Iterator[av.VideoFrame] | None = None
        self._next = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return VideoFrames, (self.path,)

    def close(self) -> None:
        """Let the file go; the next frame opens it again."""
        if self._container is not None:
            self._container.close()
        self._container = self._decoder = None

    def _read(self, number: int) -> NDArray[np.uint8]:
        try:
            frame = self._decoded(number)
            if frame is None or self._is_another(frame, number):  # not all can be jumped about in
                self.close()
                frame = self._decoded(number, jump=False)
            if frame is not None and not self._is_another(frame, number):
                self._next = number + 1
                return self._fitting(_pixels(frame))
        except ImageError:
            raise
        except Exception as error:  # damage makes PyAV raise more than FFmpeg's own errors
            self.close()
            raise ImageError(
                f"Frame {number} of {self.path.name} cannot be decoded ({_reason(error)}); the "
                "video may be damaged. Convert it anew, or leave this frame out."
            ) from error
        self.close()
        if frame is not None:
            raise ImageError(
                f"Frame {number} of {self.path.name} cannot be decoded, while later ones can; the "
                "video may be damaged. Convert it anew."
            )
        raise ImageError(
            f"{self.path.name} ends before its frame {number} of {len(self)}; it may be cut short."
        )

    def _decoded(self, number: int, *, jump: bool = True) -> av.VideoFrame | None:
        """Decode up to the first frame that is not before the wanted one; None at the end."""
        wanted = self._stamps[number]
        decoder = self._decoder
        if not jump:
            decoder = self._from_the_start()
        elif decoder is None or not 0 <= number - self._next < _FAR:
            decoder = self._decoded_from(wanted)
        self._decoder = decoder
        for frame in decoder:
            if frame.pts is not None and frame.pts >= wanted:
                return frame
        return None

    def _is_another(self, frame: av.VideoFrame, number: int) -> bool:
        """Tell whether a frame has the time stamp of another than the wanted one."""
        return frame.pts != self._stamps[number] and frame.pts in self._known

    def _decoded_from(self, stamp: int) -> Iterator[av.VideoFrame]:
        """Return frames from the key frame before a time stamp on, or all if none is found."""
        if self._container is None:
            self._container, _ = _opened(self.path)
        stream = self._container.streams.video[0]
        try:
            self._container.seek(stamp, stream=stream, backward=True)
        except FFmpegError:
            return self._from_the_start()
        return self._container.decode(stream)

    def _from_the_start(self) -> Iterator[av.VideoFrame]:
        """Return all frames."""
        self.close()
        self._container, stream = _opened(self.path)
        return self._container.decode(stream)

    def _fitting(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if pixels.shape != self.shape[1:]:
            raise ImageError(
                f"{self.path.name} changes its size from {self.shape[1:3]} to {pixels.shape[:2]} "
                "pixels on the way; cut it into videos of one size each."
            )
        return pixels


def open_video(path: Path | str) -> OpenedFile:
    """Open a video without reading its frames.

    Parameters
    ----------
    path
        MP4, AVI, MOV or whatever FFmpeg reads.

    Returns
    -------
    Frames (T, Y, X, 3), the time between two frames as the scale of T, in seconds.

    Raises
    ------
    ImageError
        It is no video, has no picture, or cannot be read.
    """
    frames = VideoFrames(Path(path))
    step = 1 / frames.rate_hz if frames.rate_hz > 0 else 1.0
    return OpenedFile(
        path=frames.path,
        frames=frames,
        axes="TYX",
        scale=(step, 1.0, 1.0),
        units=("s" if frames.rate_hz > 0 else "pixel", "pixel", "pixel"),
        facts={"kind": "video", "frames_per_second": round(frames.rate_hz, 4)},
    )


def _opened(path: Path) -> tuple[InputContainer, VideoStream]:
    if not path.is_file():
        raise ImageError(f"There is no file {path}.")
    try:
        container = av.open(path, **_LENIENT)
    except Exception as error:  # damage makes PyAV raise more than FFmpeg's own errors
        raise ImageError(
            f"{path.name} cannot be opened as a video ({_reason(error)}); it may be damaged, cut "
            "short or something else. Convert it anew, to MP4 for example."
        ) from error
    if not container.streams.video:
        container.close()
        raise ImageError(f"{path.name} has no picture, only sound or text; expected a video.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return container, stream


def _stamps(container: InputContainer, stream: VideoStream, path: Path) -> list[int]:
    """Return the time stamps of all frames, in order, from the packets: nothing is decoded."""
    found: set[int] = set()
    try:
        for packet in container.demux(stream):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.size and not packet.is_discard:
                found.add(stamp)
    except FFmpegError:  # cut short: what is there can be looked at
        pass
    if not found:
        raise ImageError(f"{path.name} has no frame in it; it may be cut short.")
    return sorted(found)


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> NDArray[np.uint8]:
    try:
        for frame in container.decode(stream):
            return _pixels(frame)
    except Exception as error:  # damage makes PyAV raise more than FFmpeg's own errors
        raise ImageError(
            f"The first frame of {path.name} cannot be decoded ({_reason(error)}); the video may "
            "be damaged or cut short."
        ) from error
    raise ImageError(f"{path.name} has no frame in it; it may be cut short.")


def _reason(error: Exception) -> str:
    """Return what went wrong, in FFmpeg's words where they are its."""
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the colours of a frame the right way up, uint8, shape (Y, X, 3)."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90) % 4))
