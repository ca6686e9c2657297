"""Videos are decoded frame by frame, wherever one jumps."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.core import video_files
from napari_ds2net.core.frames import Frames
from napari_ds2net.core.video_files import VideoFrames, open_video
from napari_ds2net.errors import ImageError

COUNT = 40


def write(
    path: Path,
    codec: str = "mpeg4",
    count: int = COUNT,
    options: dict[str, str] | None = None,
    pictures: Sequence[NDArray[np.uint8]] = (),
) -> Path:
    """Write frames of 96 x 64 pixels: the left half falls from 240 by 5, the right half rises.

    What is called .mpg is a transport stream of H.264, in which FFmpeg jumps only roughly.
    """
    is_transport = path.suffix == ".mpg"
    form = "mpegts" if is_transport else None
    with av.open(path, "w", format=form, options=options or {}) as container:
        stream: Any = container.add_stream("libx264" if is_transport else codec, rate=25)
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = 250 if is_transport else 12
        if codec == "mpeg4" and not is_transport:  # key frames as rare as it is said
            stream.options = {"sc_threshold": "1000000000"}
        for pixels in pictures or map(_falling, range(count)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def _falling(number: int) -> NDArray[np.uint8]:
    pixels = np.full((64, 96, 3), 5 * number, np.uint8)
    pixels[:, :48] = 240 - 5 * number
    return pixels


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mov", "a.mpg"])
def test_every_frame_is_found_in_any_order(tmp_path: Path, name: str) -> None:
    opened = open_video(write(tmp_path / name))
    frames = opened.frames
    assert frames.shape == (COUNT, 64, 96, 3)
    assert frames.dtype == np.uint8
    assert (opened.axes, opened.scale, opened.units[0]) == ("TYX", (0.04, 1.0, 1.0), "s")
    for number in (0, 1, 2, 30, 3, COUNT - 1, 0, 17, 16, 18):
        frame = frames.frame(number)
        assert abs(int(frame[30, 80, 0]) - 5 * number) <= 6, number
        assert abs(int(frame[30, 10, 0]) - (240 - 5 * number)) <= 6, number


def test_only_what_is_asked_for_is_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    read: list[int] = []

    class Watched(VideoFrames):
        def _read(self, number: int) -> NDArray[np.uint8]:
            read.append(number)
            return super()._read(number)

    frames = Watched(path)
    assert frames[10:14, ::2].shape == (4, 32, 96, 3)
    assert frames[13].shape == (64, 96, 3)
    assert read == [10, 11, 12, 13]


def test_it_can_be_sent_to_another_process(tmp_path: Path) -> None:
    frames = open_video(write(tmp_path / "a.mp4")).frames
    there = pickle.loads(pickle.dumps(frames))
    assert np.array_equal(there[21], frames[21])


def test_a_video_cut_short_shows_what_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    frames = open_video(path).frames
    assert 0 < len(frames) < COUNT
    for number in (0, len(frames) // 2, 1):
        assert abs(int(frames.frame(number)[30, 80, 0]) - 5 * number) <= 6


def packets_of(path: Path) -> list[Any]:
    with av.open(path) as container:
        return [each for each in container.demux(container.streams.video[0]) if each.size]


def overwrite(path: Path, number: int, *, head: bool = False) -> Path:
    """Write zeros over a packet, or over the head of its chunk."""
    packet = packets_of(path)[number]
    start, length = (packet.pos - 8, 8) if head else (packet.pos, packet.size)
    content = bytearray(path.read_bytes())
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
    return path


def lost(frames: Frames, order: Iterable[int]) -> set[int]:
    """Return the frames that cannot be read; the others have to be those of their number."""
    found: set[int] = set()
    for number in order:
        try:
            frame = frames.frame(number)
        except ImageError as error:
            assert f"Frame {number} of a." in str(error)
            found.add(number)
        else:
            assert abs(int(frame[30, 80, 0]) - 5 * number) <= 6, number
    return found


def up_to_the_next_key_frame(first: int) -> set[int]:
    return set(range(first, first // 12 * 12 + 12))


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mov"])
@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_what_is_made_of_a_damaged_frame_is_lost_and_no_more(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = overwrite(write(tmp_path / name, codec), 15)
    expected = up_to_the_next_key_frame(15) if codec == "mpeg4" else {15}
    for order in (range(COUNT), range(COUNT - 1, -1, -1), [20, 16, 15, 3, 24, 39, 15, 14]):
        frames = open_video(path).frames
        assert len(frames) == COUNT
        assert lost(frames, order) == expected & set(order)
    assert str(unreadable(frames, 15)).count("Invalid data found") == 1


def test_a_frame_that_the_decoder_calls_damaged_is_not_shown(tmp_path: Path) -> None:
    """It makes up what is missing, without an error: here the end of a packet."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    moving = [np.roll(noise, 3 * number, axis=1) for number in range(24)]
    path = write(tmp_path / "a.mp4", pictures=moving)
    whole = open_video(path).frames
    expected = [whole.frame(number) for number in range(24)]
    overwrite(path, 7, head=True)  # in an MP4, the last bytes of the packet before
    frames = open_video(path).frames
    for number in range(24):
        if 6 <= number < 12:
            assert "a part of it is lost" in str(unreadable(frames, number))
        else:
            np.testing.assert_array_equal(frames.frame(number), expected[number])


def unreadable(frames: Frames, number: int) -> ImageError:
    with pytest.raises(ImageError) as told:
        frames.frame(number)
    return told.value


def test_the_first_frame_may_be_damaged(tmp_path: Path) -> None:
    frames = open_video(overwrite(write(tmp_path / "a.mp4"), 0)).frames
    assert lost(frames, range(COUNT)) == up_to_the_next_key_frame(0)


def test_no_frame_can_be_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", "mjpeg", count=3)
    for number in range(3):
        overwrite(path, number)
    with pytest.raises(ImageError, match=r"No frame of a\.mp4 can be decoded \(Invalid data"):
        open_video(path)


def test_a_frame_that_cannot_be_made_a_picture_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For it is too large for the memory, or has colours that cannot be converted."""
    path = write(tmp_path / "a.mp4", count=3)
    frames = open_video(path).frames

    def refused(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(video_files, "_pixels", refused)
    assert "(MemoryError)" in str(unreadable(frames, 1))
    with pytest.raises(ImageError, match=r"first frame of a\.mp4 cannot be made a picture"):
        open_video(path)


def test_a_codec_that_is_not_known_is_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", count=3)
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"XQZ9"))
    with pytest.raises(ImageError, match=r"a\.avi is packed in a way that no decoder here knows"):
        open_video(path)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "libx264"])
def test_a_frame_that_an_avi_does_not_find_moves_no_other(tmp_path: Path, codec: str) -> None:
    """The index at its end tells that there was one."""
    path = overwrite(write(tmp_path / "a.avi", codec), 15, head=True)
    assert len(packets_of(path)) == COUNT - 1
    expected = {"mpeg4": up_to_the_next_key_frame(15), "mjpeg": {15}}.get(codec)
    for order in (range(COUNT), [39, 20, 15, 3, 24, 14]):
        frames = open_video(path).frames
        assert len(frames) == COUNT
        found = lost(frames, order)
        if expected is None:  # frames come in another order than they are in
            assert set(range(15, COUNT)) & set(order) <= found <= set(range(10, COUNT))
        else:
            assert found == expected & set(order)
    assert "is not in the file" in str(unreadable(frames, 15))


def test_an_mp4_whose_end_is_missing_says_which_frames(tmp_path: Path) -> None:
    """Where the index is in front, as of what is made for the web."""
    path = tmp_path / "a.mp4"
    write(path, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: packets_of(path)[30].pos])
    frames = open_video(path).frames
    assert len(frames) == COUNT
    assert lost(frames, range(COUNT)) == set(range(30, COUNT))


def test_a_program_stream_is_not_jumped_about_in(tmp_path: Path) -> None:
    """Its time stamps are guessed after a jump, and would be those of other frames."""
    frames = open_video(write(tmp_path / "a.mpeg", "mpeg2video")).frames
    assert lost(frames, [30, 5, 29, 17, 0, 16, 38]) == set()


def test_frames_of_an_avi_are_counted_where_their_time_stamps_are_guessed(tmp_path: Path) -> None:
    """H.264 with frames that are made of later ones, for which AVI has no place."""
    frames = open_video(write(tmp_path / "a.avi", "libx264")).frames
    assert lost(frames, [*range(COUNT), 3, 30, 29, 0]) == set()


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 5000])
def test_what_is_no_video_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.mp4 (cannot be opened|has no)"):
        open_video(path)
    with pytest.raises(ImageError, match="There is no file"):
        open_video(tmp_path / "none.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        silence = np.zeros((1, 1024), np.float32)
        for _ in range(5):
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ImageError, match="has no picture"):
        open_video(path)
