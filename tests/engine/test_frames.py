"""Segmentation through a real worker, and how its frames get there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ds2net import segment
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.events import TileDone
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.engine import frames, jobs
from napari_ds2net.engine.batch_job import segment_frame
from napari_ds2net.engine.frames import FrameDispatch
from napari_ds2net.engine.run import Call
from napari_ds2net.errors import FrameError, ImageError, ModelNotFoundError
from napari_ds2net.window import Window
from tests.engine import sample_jobs
from tests.engine.conftest import Recorder, Start

MAPS = ("mask", "probability", "detail_mask", "semantic_mask", "uncertainty")
REGION = (slice(10, 90), slice(20, 84))


class LockedArray:
    """An array like that of an open file: it cannot leave its process."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self.pixels, self.shape, self.ndim = pixels, pixels.shape, pixels.ndim
        self.reads: list[Any] = []

    def __getitem__(self, key: Any) -> NDArray[Any]:
        self.reads.append(key)
        return np.asarray(self.pixels[key])

    def __reduce__(self) -> str:
        raise TypeError("an open file")


@pytest.fixture
def film() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 100, 120, 3), dtype=np.uint8)


def segment_all(
    start: Start, image: ImageData, wanted: Sequence[jobs.Frame], model: Path, region: Any = None
) -> Recorder:
    arguments = (image, wanted, str(model), "cpu", InferenceOptions(threshold=0.4), region)
    return start(jobs.segment_frames, *arguments)


def done(recorder: Recorder) -> list[jobs.FrameDone]:
    return [event for event in recorder.events if isinstance(event, jobs.FrameDone)]


def assert_same(found: Any, expected: Any) -> None:
    for name in MAPS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def test_a_frame_is_segmented_as_without_an_engine(
    start: Start, tiny_file: Path, film: NDArray[np.uint8]
) -> None:
    recorder = segment_all(start, ImageData.from_array(film[0]), [()], tiny_file)
    result = recorder.value()
    assert (result.frames, result.device, result.model) == (1, "cpu", "tiny")
    assert result.seconds > 0
    first, *tiles, last = recorder.events
    assert first == jobs.FrameStarted(0, 1)
    assert tiles == [TileDone(number + 1, len(tiles)) for number in range(len(tiles))]
    options = InferenceOptions(threshold=0.4)
    assert_same(last.prediction, segment(film[0], tiny_file, device="cpu", options=options))
    last.prediction.mask[:] = 1  # a person corrects it


@pytest.mark.parametrize("kind", ["numpy", "strided", "dask", "open file"])
def test_every_kind_of_array_gives_the_same(
    start: Start, tiny_file: Path, film: NDArray[np.uint8], kind: str
) -> None:
    arrays: dict[str, Any] = {
        "numpy": film,
        "strided": film.repeat(2, axis=0)[::2],
        "dask": dask.array.from_array(film).rechunk((1, 50, 60, 3)),
        "open file": LockedArray(film),
    }
    recorder = segment_all(
        start, ImageData.from_array(arrays[kind]), [(2,), (0,)], tiny_file, REGION
    )
    assert recorder.value().frames == 2
    assert [event for event in recorder.events if isinstance(event, jobs.FrameStarted)] == [
        jobs.FrameStarted(0, 2),
        jobs.FrameStarted(1, 2),
    ]
    assert [event.frame for event in done(recorder)] == [(2,), (0,)]
    options = InferenceOptions(threshold=0.4)
    for event in done(recorder):
        pixels = film[event.frame][REGION]
        assert_same(event.prediction, segment(pixels, tiny_file, device="cpu", options=options))


def test_a_long_film_is_sent_in_parts(
    start: Start, tiny_file: Path, film: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_BYTES_AT_ONCE", 2 * film[0].nbytes)
    recorder = segment_all(start, ImageData.from_array(film), [(0,), (1,), (2,)], tiny_file)
    assert recorder.value().frames == 3
    started = [event for event in recorder.events if isinstance(event, jobs.FrameStarted)]
    assert started == [jobs.FrameStarted(index, 3) for index in range(3)]


def dispatch(image: ImageData, wanted: Sequence[jobs.Frame], *, near: bool = True) -> FrameDispatch:
    args = (image, wanted, "polyp", "cpu", InferenceOptions(), None)
    return FrameDispatch(Call(jobs.segment_frames, args, {}), same_computer=near)


def pieces(call: Call) -> Sequence[jobs.Piece]:
    found: Sequence[jobs.Piece] = call.args[0]  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_frames_are_seen_by_their_windows(start: Start, tiny_file: Path, kind: str) -> None:
    seen = np.random.default_rng(0).integers(0, 256, (2, 60, 70), dtype=np.uint8)
    values = np.stack([500 + seen[0].astype(np.int16), 700 + seen[1].astype(np.int16)])
    array: Any = values if kind == "numpy" else dask.array.from_array(values).rechunk((1, 60, 70))
    windows = (Window(low=500, high=755), Window(low=700, high=955))
    image = ImageData(array=array, axes="tyx", windows=windows)
    recorder = segment_all(start, image, [(1,), (0,)], tiny_file)
    assert recorder.value().frames == 2
    options = InferenceOptions(threshold=0.4)
    for event in done(recorder):
        expected = segment(seen[event.frame], tiny_file, device="cpu", options=options)
        assert_same(event.prediction, expected)
    frame = segment_frame(values[1], str(tiny_file), "cpu", options, (), windows[1])
    np.testing.assert_array_equal(
        frame.mask, segment(seen[1], tiny_file, device="cpu", options=options).mask
    )


def test_only_the_frames_that_are_wanted_are_sent(film: NDArray[np.uint8]) -> None:
    (call,) = dispatch(ImageData.from_array(film), [(1,)]).calls()
    (piece,) = pieces(call)
    assert np.shares_memory(piece.pixels, film)  # and not copied before
    assert piece.pixels is not None and piece.pixels.shape == film.shape[1:]
    assert call.kwargs.get("image") is None


def test_a_lazy_array_is_read_by_a_worker_on_this_computer_only() -> None:
    lazy = dask.array.zeros((2, 50, 60), chunks=(1, 50, 60))
    image = ImageData.from_array(lazy)
    (near,) = dispatch(image, [(1,)]).calls()
    (far,) = dispatch(image, [(1,)], near=False).calls()
    assert near.kwargs["image"] is image and pieces(near)[0].pixels is None
    assert far.kwargs.get("image") is None and pieces(far)[0].pixels is not None


def test_frames_are_read_when_their_turn_comes(
    film: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_BYTES_AT_ONCE", 1)
    array = LockedArray(film)
    calls = dispatch(ImageData.from_array(array), [(0,), (1,)]).calls()
    next(calls)
    assert [each[0] for each in array.reads] == [0]


def test_what_is_left_after_a_death_is_done_once_more(film: NDArray[np.uint8]) -> None:
    work = dispatch(ImageData.from_array(film), [(0,), (1,), (2,)])
    list(work.calls())
    work.note(jobs.FrameDone((1,), None))  # type: ignore[arg-type]
    again = work.smaller("The worker died")
    assert again is not None
    assert [piece.frame for piece in pieces(again)] == [(0,), (2,)]
    assert again.kwargs["after"] == "The worker died"
    assert work.smaller("The worker died again") is None


def test_errors_of_the_core_arrive_as_they_are(start: Start, film: NDArray[np.uint8]) -> None:
    image = ImageData.from_array(film)
    assert isinstance(
        segment_all(start, image, [(0,)], Path("no-such-model")).failure(), ModelNotFoundError
    )
    assert isinstance(segment_all(start, image, [(7,)], Path("polyp")).failure(), ImageError)


def test_warming_up_says_where_it_computes(start: Start, tiny_file: Path) -> None:
    warmed = start(jobs.warm_up, str(tiny_file), "cpu").value()
    assert warmed.model == str(tiny_file)
    assert warmed.device == str(choose_plan("cpu"))  # bfloat16 where the processor has it
    assert warmed.seconds > 0


def test_a_worker_has_torch_and_this_process_need_not(start: Start) -> None:
    assert "torch" in start(sample_jobs.imported_modules).value()


class DamagedArray(LockedArray):
    """An array some of whose frames cannot be read; what its library raises says little."""

    def __init__(self, pixels: NDArray[Any], lost: Sequence[int]) -> None:
        super().__init__(pixels)
        self.lost = lost

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if key[0] in self.lost:
            raise ValueError("bad data")
        return super().__getitem__(key)


class LightDamagedArray(DamagedArray):
    """One that the worker reads."""

    def __reduce__(self) -> Any:
        return LightDamagedArray, (self.pixels, self.lost)


@pytest.mark.parametrize("kind", [DamagedArray, LightDamagedArray])
def test_a_frame_that_cannot_be_read_costs_no_other(
    start: Start, tiny_file: Path, film: NDArray[np.uint8], kind: type[DamagedArray]
) -> None:
    wanted = [(0,), (1,), (2,)]
    image = ImageData.from_array(kind(film, [1]))
    recorder = segment_all(start, image, wanted, tiny_file)
    assert recorder.value().frames == 3
    assert [event.frame for event in done(recorder)] == [(0,), (2,)]
    (lost,) = (event for event in recorder.events if isinstance(event, jobs.FrameLost))
    assert lost.frame == (1,)
    assert lost.reason.startswith("Frame 1 cannot be read (bad data);")
    alone = segment_all(start, image, [(1,)], tiny_file).failure()
    assert isinstance(alone, FrameError) and "bad data" in str(alone)
    nothing = ImageData.from_array(kind(film, [0, 1, 2]))
    assert "Frame 0 cannot" in str(segment_all(start, nothing, wanted, tiny_file).failure())
