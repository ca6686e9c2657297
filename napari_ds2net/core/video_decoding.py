"""Decoding videos one frame after the other, past damage, without showing what it has spoilt."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream


class WholeFrames:
    """An iterator over the frames of a video that damage has not reached.

    A frame that cannot be decoded, or that the decoder calls damaged, is left out, and with it
    those up to the next key frame, which are made of it.

    Parameters
    ----------
    container, stream
        Where to read from; at the start of the file, or at a key frame.

    Attributes
    ----------
    damage
        What went wrong last; empty where nothing did.
    count
        Of the frames that have come.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.damage = ""
        self.count = 0
        self._frames = self._decoded(container, stream)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        return self

    def __next__(self) -> av.VideoFrame:
        frame = next(self._frames)
        self.count += 1
        return frame

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        whole = True
        for packet in self._packets(container, stream):
            try:
                frames = packet.decode()
            except EOFError:
                return
            except Exception as error:  # noqa: BLE001  not only FFmpeg's own: damage is told
                self.damage = damage_words(error)
                whole, frames = False, []
            for frame in frames:
                if frame.is_corrupt:
                    self.damage = self.damage or "a part of it is lost"
                whole = not frame.is_corrupt and (whole or frame.key_frame)
                if whole:
                    yield frame

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[av.Packet[VideoStream]]:
        try:
            yield from container.demux(stream)
        except FFmpegError as error:
            self.damage = damage_words(error)


def damage_words(error: Exception) -> str:
    """Return what went wrong, in FFmpeg's words where they are its."""
    words = error.strerror if isinstance(error, OSError | FFmpegError) else None
    return words or type(error).__name__
