"""Videos are decoded frame by frame, wherever one jumps."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net.core.video_files import VideoFrames, open_video
from napari_ds2net.errors import ImageError

COUNT = 40


def write(path: Path, codec: str = "mpeg4", count: int = COUNT) -> Path:
    """Write frames of 96 x 64 pixels: the left half falls from 240 by 5, the right half rises.

    What is called .mpg is a transport stream of H.264, in which FFmpeg jumps only roughly.
    """
    is_transport = path.suffix == ".mpg"
    with av.open(path, "w", format="mpegts" if is_transport else None) as container:
        stream: Any = container.add_stream("libx264" if is_transport else codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.gop_size = 250 if is_transport else 12
        for number in range(count):
            pixels = np.full((64, 96, 3), 5 * number, np.uint8)
            pixels[:, :48] = 240 - 5 * number
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


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


class Lossy(VideoFrames):
    """A video whose frame 5 is lost when it is decoded."""

    def _from_the_start(self) -> Iterator[av.VideoFrame]:
        lost = self._stamps[5]
        return (frame for frame in super()._from_the_start() if frame.pts != lost)

    def _decoded_from(self, stamp: int) -> Iterator[av.VideoFrame]:
        return self._from_the_start()


def test_a_frame_that_is_lost_is_not_taken_for_the_next(tmp_path: Path) -> None:
    frames = Lossy(write(tmp_path / "a.mp4"))
    with pytest.raises(ImageError, match=r"Frame 5 of a\.mp4 cannot be decoded, while later ones"):
        frames.frame(5)
    assert abs(int(frames.frame(6)[30, 80, 0]) - 30) <= 6


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
