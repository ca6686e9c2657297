"""Which frames a video has, from its packets and its own index: nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from napari_ds2net.errors import ImageError

_CHUNK_HEAD = 8
"""Bytes before a packet of an AVI; its index tells where they are."""
_REORDERED = 4
"""So many frames before a packet of an AVI may be made of it."""
_MOST_TIMES_MORE = 100
"""So many times what is there an index may tell of; one that tells of more is damaged itself."""


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames of a video.

    Attributes
    ----------
    stamps
        The time stamp of every frame, in order; None of one that is not in the file, or is made of
        one that is not.
    can_jump
        Whether time stamps are the same wherever one begins to read.
    by_order
        Whether frames have to be counted as they come, for their time stamps are guessed.
    """

    stamps: tuple[int | None, ...]
    can_jump: bool = True
    by_order: bool = False

    @classmethod
    def read(cls, container: InputContainer, stream: VideoStream, path: Path) -> VideoIndex:
        """Go through the packets of a file.

        Raises
        ------
        ImageError
            It has no frame, or far fewer than it tells of.
        """
        packets = list(_packets(container, stream))
        seen = [packet for packet in packets if packet.is_seen]
        if not seen:
            raise ImageError(f"{path.name} has no frame in it; it may be cut short.")
        kinds = container.format.name.split(",")
        missing = _missing(packets, stream, path) if {"avi", "mp4"} & set(kinds) else []
        if "avi" in kinds and stream.codec_context.has_b_frames:
            numbers = list(range(len(seen)))
            if missing:
                first = sum(packet.at < min(missing) for packet in seen)
                numbers = numbers[: max(0, first - _REORDERED)]
            gaps = [None] * (len(seen) + len(missing) - len(numbers))
            return cls((*numbers, *gaps), can_jump=False, by_order=True)
        if missing and "avi" in kinds:
            return cls(tuple(_with_gaps(missing, seen)), can_jump=False)
        stamps = sorted({packet.stamp for packet in seen})
        jumps = "mpeg" not in kinds  # a program stream: after a jump its time stamps are guessed
        return cls((*stamps, *(None for _ in missing)), can_jump=jumps)


@dataclass(frozen=True, slots=True)
class _Packet:
    """A packet: where it begins in the file, its time stamp, if it is a key frame, and is shown."""

    at: int
    stamp: int
    is_key: bool
    is_seen: bool


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
    """Go through the packets that are frames."""
    try:
        for packet in container.demux(stream):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.size:
                at = -1 if packet.pos is None else packet.pos
                yield _Packet(at, stamp, packet.is_keyframe, not packet.is_discard)
    except FFmpegError:  # cut short: what is there can be looked at
        return


def _missing(packets: list[_Packet], stream: VideoStream, path: Path) -> list[int]:
    """Return where packets should begin that the file's index tells of and that are not there."""
    told = [entry.pos for entry in getattr(stream, "index_entries", ()) or () if entry.size]
    if len(told) <= len(packets):
        return []
    if len(told) > _MOST_TIMES_MORE * len(packets):
        raise ImageError(
            f"{path.name} tells of {len(told)} frames and has {len(packets)}; it is damaged or cut "
            "short. Copy it anew."
        )
    head = _CHUNK_HEAD if packets[0].at - _CHUNK_HEAD in told else 0
    there = {packet.at for packet in packets}
    missing = [at + head for at in told if at + head not in there]
    return missing if len(missing) == len(told) - len(packets) else []  # else it tells of others


def _with_gaps(missing: list[int], packets: list[_Packet]) -> Iterator[int | None]:
    """Go through the time stamps of all frames of an AVI, in the order of the file.

    After a frame that is not there, those up to the next key frame cannot be made either.
    """
    whole = True
    there = {packet.at: packet for packet in packets}
    for at in sorted([*missing, *there]):
        packet = there.get(at)
        whole = packet is not None and (packet.is_key or whole)
        yield packet.stamp if packet is not None and whole else None
