"""The benchmark of the schedule does a real batch with workers that wait, and says how fast."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import many, schedule


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many results were there after each batch; workers wait for a millisecond."""
    counts: list[int] = []
    batch = schedule._batch  # pyright: ignore[reportPrivateUsage]

    def counted(files: object, predictor: object, output: Path) -> None:
        batch(files, predictor, output)  # type: ignore[arg-type]
        counts.append(len(list(output.glob("*_mask.png"))))

    monkeypatch.setattr(schedule, "_batch", counted)
    monkeypatch.setattr(schedule, "WORKERS", (1, 2))
    return counts


def test_the_schedule_is_measured(
    done: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    few = ["--images", "5", "--rounds", "1", "--wait", "0.001"]
    many.main(["--only", "schedule", *few, "--json", str(report)])
    assert done == [2, 5, 4, 5]  # so that all workers have begun, and then what is timed
    found = json.loads(report.read_text())["waiting_instead_of_computing"]
    assert (found["wait_s"], found["images"]) == (0.001, 5)
    one, two = found["images_per_s_1"], found["images_per_s_2"]
    assert min(one, two) > 0
    assert found["ratio_2"] == pytest.approx(two / one)
    assert "workers  images/s" in capsys.readouterr().out


def test_an_image_that_fails_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that does less would be faster."""
    files = schedule._write_images  # pyright: ignore[reportPrivateUsage]

    def damaged(folder: Path, count: int) -> list[Path]:
        written = files(folder, count)
        written[-1].write_bytes(b"no image")
        return written

    monkeypatch.setattr(schedule, "_write_images", damaged)
    monkeypatch.setattr(schedule, "WORKERS", (1,))
    with pytest.raises(RuntimeError, match="1 of 2 images failed"):
        schedule.measure_schedule("polyp", 2, 1, 0.001)
