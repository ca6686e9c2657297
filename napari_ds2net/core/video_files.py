"""Videos (MP4, AVI, MOV, ...) through PyAV, decoded frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from napari_ds2net.core.frames import Frames, OpenedFile
from napari_ds2net.core.video_decoding import WholeFrames, damage_words
from napari_ds2net.core.video_index import VideoIndex
from napari_ds2net.errors import ImageError, image_errors

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
    starts at the key frame before, so it costs the more the rarer key frames are. A frame that
    cannot be decoded raises, and so do those that are made of it; the others keep their numbers.

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
        told = "cannot be read ({}); it may be damaged. Convert it anew, to MP4 for example."
        with container, image_errors(lambda why: f"{path.name} {told.format(why)}"):
            self._index = VideoIndex.read(container, stream, path)
        stamps = self._index.stamps
        self._numbers = {stamp: at for at, stamp in enumerate(stamps) if stamp is not None}
        container, stream = _opened(path)  # not all can be wound back, such as an AVI cut short
        with container:
            first = _first_frame(container, stream, path)
            rate = stream.average_rate or stream.base_rate
        self.rate_hz = float(rate) if rate else 0.0
        super().__init__(path, (len(stamps), *first.shape), np.dtype(np.uint8), front=1)
        self._container: InputContainer | None = None
        self._decoder: WholeFrames | None = None
        self._held: tuple[int, av.VideoFrame] | None = None
        self._next = 0
        self._is_sure = False
        self._lost: dict[int, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return VideoFrames, (self.path,)

    def close(self) -> None:
        """Let the file go; the next frame opens it again."""
        if self._container is not None:
            self._container.close()
        self._container = self._decoder = self._held = None

    def _read(self, number: int) -> NDArray[np.uint8]:
        if number in self._lost:
            raise ImageError(self._lost[number])
        try:
            frame = None if self._index.stamps[number] is None else self._found(number)
            if frame is not None:
                return self._fitting(_pixels(frame))
        except ImageError:
            raise
        except Exception as error:  # damage makes PyAV raise more than FFmpeg's own errors
            self.close()
            raise ImageError(self._sentence(number, damage_words(error))) from error
        self._lost[number] = self._why_lost(number)
        raise ImageError(self._lost[number])

    def _found(self, number: int) -> av.VideoFrame | None:
        """Decode a frame; None where it is lost."""
        ahead = number - self._next
        if self._decoder is None or ahead < 0 or (ahead >= _FAR and self._index.can_jump):
            self._jump(number)
        frame = self._searched(number)
        if frame is None and not self._is_sure:  # not all can be jumped about in
            self._begin()
            frame = self._searched(number)
        self._next = number + 1
        return frame

    def _searched(self, number: int) -> av.VideoFrame | None:
        """Decode up to a frame; None where a later one comes, which is held, or the end."""
        while (found := self._held or self._following(number)) is not None:
            self._held = None
            at, frame = found
            self._is_sure = self._is_sure or at <= number
            if at == number:
                return frame
            if at > number:
                self._held = found
                return None
        return None

    def _following(self, number: int) -> tuple[int, av.VideoFrame] | None:
        """Decode the next frame that has a number; `number` where its time stamp is of no other."""
        wanted = self._index.stamps[number]
        decoder = self._decoder
        for frame in decoder or ():
            if decoder is not None and self._index.by_order:  # after damage nobody knows the number
                return None if decoder.damage else (decoder.count - 1, frame)
            if frame.pts in self._numbers:
                return self._numbers[frame.pts], frame
            if frame.pts is not None and wanted is not None and frame.pts >= wanted:
                return (number, frame) if self._is_sure else None
        return None

    def _jump(self, number: int) -> None:
        """Go to the key frame before a frame, or to the start where none is found."""
        stamp = self._index.stamps[number]
        if not self._index.can_jump or stamp is None:
            self._begin()
            return
        if self._container is None:
            self._container, _ = _opened(self.path)
        stream = self._container.streams.video[0]
        try:
            self._container.seek(stamp, stream=stream, backward=True)
        except FFmpegError:
            self._begin()
            return
        self._decoder = WholeFrames(self._container, stream)
        self._held, self._is_sure = None, False

    def _begin(self) -> None:
        """Go to the start."""
        self.close()
        self._container, stream = _opened(self.path)
        self._decoder = WholeFrames(self._container, stream)
        self._is_sure = True

    def _why_lost(self, number: int) -> str:
        if self._index.stamps[number] is None:
            return (
                f"Frame {number} of {self.path.name} is not in the file, or made of one that is "
                "not; the video is damaged or cut short. Copy it anew."
            )
        damage = "" if self._decoder is None else self._decoder.damage
        if damage or self._held is not None:
            return self._sentence(number, damage or "later ones can")
        return (
            f"{self.path.name} ends before its frame {number} of {len(self)}; it may be cut short."
        )

    def _sentence(self, number: int, why: str) -> str:
        return (
            f"Frame {number} of {self.path.name} cannot be decoded ({why}); the video may be "
            "damaged. Convert it anew, or leave this frame out."
        )

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
            f"{path.name} cannot be opened as a video ({damage_words(error)}); it may be damaged, "
            "cut short or something else. Convert it anew, to MP4 for example."
        ) from error
    if not container.streams.video:
        container.close()
        raise ImageError(f"{path.name} has no picture, only sound or text; expected a video.")
    stream = container.streams.video[0]
    codec: object = stream.codec_context
    if codec is None:
        container.close()
        raise ImageError(
            f"{path.name} is packed in a way that no decoder here knows; convert it, to MP4 for "
            "example."
        )
    stream.thread_type = "AUTO"
    return container, stream


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> NDArray[np.uint8]:
    """Return the first frame that can be decoded."""
    decoder = WholeFrames(container, stream)
    try:
        for frame in decoder:
            return _pixels(frame)
    except Exception as error:  # PyAV raises more than FFmpeg's own errors
        raise ImageError(
            f"The first frame of {path.name} cannot be made a picture ({damage_words(error)}); "
            "convert the video anew, to MP4 for example."
        ) from error
    if decoder.damage:
        raise ImageError(
            f"No frame of {path.name} can be decoded ({decoder.damage}); the video may be damaged "
            "or cut short."
        )
    raise ImageError(f"{path.name} has no frame in it; it may be cut short.")


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the colours of a frame the right way up, uint8, shape (Y, X, 3)."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90) % 4))
