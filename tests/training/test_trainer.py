"""A training learns, tells what it does, and goes on exactly where it was stopped."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ds2net_training.encoder_weights import new_network
from ds2net_training.evaluation import ImageScored
from ds2net_training.events import (
    EpochDone,
    Event,
    ResumePointSaved,
    StepDone,
    TrainingResult,
    TrainingStarted,
)
from ds2net_training.resume import resume_path
from ds2net_training.settings import Settings
from ds2net_training.trainer import RunOptions, train_steps
from napari_ds2net.errors import SettingsError
from napari_ds2net.network import load_checkpoint, read_header
from tests.training.drawn_data import draw_data, small_settings

ROOT = Path(__file__).parents[2]


def _options(output: Path, resume_minutes: float = 60.0) -> RunOptions:
    return RunOptions(output=output, device="cpu", resume_minutes=resume_minutes)


def _train(
    settings: Settings, data: Path, options: RunOptions, stop_after: int | None = None
) -> tuple[list[Event | ImageScored], TrainingResult | None]:
    """Run a training to its end, or close it after so many steps."""
    events: list[Event | ImageScored] = []
    running = train_steps(settings, [data], options)
    while True:
        try:
            events.append(next(running))
        except StopIteration as stop:
            return events, stop.value
        if sum(isinstance(event, StepDone) for event in events) == stop_after:
            running.close()
            return events, None


def _dice(events: list[Event | ImageScored]) -> list[float]:
    """Return the score of every epoch that has one."""
    of_epochs = [event.validation_dice for event in events if isinstance(event, EpochDone)]
    return [dice for dice in of_epochs if dice is not None]


def _same(first: Path, second: Path) -> bool:
    one, two = load_checkpoint(first).state, load_checkpoint(second).state
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("drawn"))


def test_events_tell_the_whole_story(data: Path, tmp_path: Path) -> None:
    events, result = _train(small_settings(), data, _options(tmp_path / "n.safetensors"))
    started = next(e for e in events if isinstance(e, TrainingStarted))
    assert (started.training_images, started.validation_images) == (6, 2)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [(e.epoch, e.step) for e in steps] == [(e, s) for e in (1, 2) for s in (1, 2, 3)]
    epochs = [e for e in events if isinstance(e, EpochDone)]
    assert [e.epoch for e in epochs] == [1, 2]
    assert epochs[-1].seconds_left == 0
    assert all(0 < w <= 1 for e in epochs for w in e.stage_weights)
    assert result is not None
    assert result.best_dice == max(_dice(events))
    _, card = read_header(result.path)
    assert card.scores["validation_dice"] == round(max(_dice(events)), 4)
    assert card.training_data[0].images == 6
    assert card.recipe["schedule"]["epochs"] == 2
    assert "torch" in card.versions


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_stopped_training_goes_on_bit_for_bit(
    data: Path, tmp_path: Path, stop_after: int
) -> None:
    settings = small_settings(model={"drop_path": 0.1})
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    _train(settings, data, _options(whole))
    _train(settings, data, _options(parts), stop_after=stop_after)
    events, result = _train(settings, data, _options(parts))
    assert sum(isinstance(e, StepDone) for e in events) == 6 - stop_after
    assert result is not None
    assert _same(whole, parts)


def test_a_killed_training_goes_on_from_its_last_resume_point(data: Path, tmp_path: Path) -> None:
    settings = small_settings()
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    _train(settings, data, _options(whole))
    running = train_steps(settings, [data], _options(parts, resume_minutes=0))
    saved = 0
    while saved < 2:
        saved += isinstance(next(running), ResumePointSaved)
    kept = resume_path(parts).read_bytes()
    next(running)
    running.close()
    resume_path(parts).write_bytes(kept)  # as if nothing had been written after the second point
    _train(settings, data, _options(parts))
    assert _same(whole, parts)


def test_a_resume_file_of_other_settings_is_refused(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "n.safetensors"
    _train(small_settings(), data, _options(output), stop_after=1)
    with pytest.raises(SettingsError, match="other settings"):
        _train(small_settings(schedule={"batch_size": 3}), data, _options(output))
    resume_path(output).write_bytes(b"damaged")
    with pytest.raises(SettingsError, match="cannot be read"):
        _train(small_settings(), data, _options(output))


def test_training_learns_drawn_discs(data: Path, tmp_path: Path) -> None:
    settings = small_settings(
        schedule={"epochs": 25, "learning_rate": 3e-3, "average_decay": 0.8},
        augment={"probability": 0.0, "horizontal_flip": False},
        model={"attention_dropout": 0.0},
    )
    events, result = _train(settings, data, _options(tmp_path / "n.safetensors"))
    losses = [e.loss for e in events if isinstance(e, EpochDone)]
    assert result is not None
    assert losses[-1] < 0.5 * losses[0]
    assert max(_dice(events)) > 0.7
    assert result.best_dice == max(_dice(events))


def test_early_stopping_ends_and_keeps_the_best(data: Path, tmp_path: Path) -> None:
    settings = small_settings(
        schedule={"epochs": 9, "patience_epochs": 1, "learning_rate": 1e-12, "average_decay": 0.0},
        augment={"probability": 0.0, "horizontal_flip": False},
    )
    events, result = _train(settings, data, _options(tmp_path / "n.safetensors"))
    assert result is not None
    assert result.stopped_early
    scores = _dice(events)
    assert result.epochs_run == len(scores) < 9
    assert result.best_dice == max(scores)


def test_the_last_epoch_is_kept_where_the_recipe_says_so(data: Path, tmp_path: Path) -> None:
    settings = small_settings(
        schedule={"epochs": 3, "keep": "last", "learning_rate": 1e-12, "average_decay": 0.0},
        augment={"probability": 0.0, "horizontal_flip": False},
    )
    events, result = _train(settings, data, _options(tmp_path / "n.safetensors"))
    scores = _dice(events)
    assert result is not None
    assert (result.best_epoch, result.best_dice) == (3, scores[-1])
    best = dataclasses.replace(
        settings, schedule=dataclasses.replace(settings.schedule, keep="best")
    )
    _, result = _train(best, data, _options(tmp_path / "best.safetensors"))
    assert result is not None
    assert result.best_dice == max(scores)
    assert result.best_epoch == scores.index(max(scores)) + 1 < 3


def _without_validation() -> Settings:
    return small_settings(data={"validation_fraction": 0}, schedule={"keep": "last"})


def test_a_training_can_learn_from_all_images(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "n.safetensors"
    events, result = _train(_without_validation(), data, _options(output))
    started = next(e for e in events if isinstance(e, TrainingStarted))
    assert (started.training_images, started.validation_images) == (8, 0)
    epochs = [e for e in events if isinstance(e, EpochDone)]
    assert [(e.epoch, e.validation_dice, e.validation_loss) for e in epochs] == [
        (1, None, None),
        (2, None, None),
    ]
    assert not any(isinstance(event, ImageScored) for event in events)
    assert result is not None
    assert (result.best_epoch, result.best_dice) == (2, None)
    last: dict[str, Any] = torch.load(resume_path(output), weights_only=True)["tensors"]["average"]
    for name, kept in load_checkpoint(output).state.items():
        torch.testing.assert_close(kept.float(), last[name].float(), rtol=1e-3, atol=1e-6)
    _, card = read_header(output)
    assert card.learned_from_all
    assert card.scores == {"validation_images": 0, "epoch": 2}
    assert sum(each.images for each in card.training_data) == 8


@pytest.mark.parametrize("stop_after", [2, 4, 6])
def test_a_stopped_training_on_all_images_goes_on_bit_for_bit(
    data: Path, tmp_path: Path, stop_after: int
) -> None:
    settings = _without_validation()
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    _train(settings, data, _options(whole))
    _train(settings, data, _options(parts), stop_after)
    _, result = _train(settings, data, _options(parts))
    assert result is not None
    assert result.best_dice is None
    assert _same(whole, parts)


def test_every_scale_of_a_batch_is_a_step_of_its_own(data: Path, tmp_path: Path) -> None:
    one = small_settings(schedule={"epochs": 1})
    three = small_settings(schedule={"epochs": 1, "scales": [0.5, 1.0, 1.5]})
    _train(one, data, _options(tmp_path / "one"))
    _train(three, data, _options(tmp_path / "three"))
    counters = [
        max(int(v) for k, v in load_checkpoint(tmp_path / name).state.items() if "tracked" in k)
        for name in ("one", "three")
    ]
    assert counters == [3, 9]


_TORCHRUN = """
import sys
from pathlib import Path
from ds2net_training.trainer import RunOptions, train_steps
from tests.training.drawn_data import small_settings
settings = small_settings(model={"attention_dropout": 0.0}, schedule={"batch_size": 4})
# In double precision nothing is left of rounding but what the formulas differ by.
options = RunOptions(output=Path(sys.argv[2]), device="cpu", precision="64-true")
for event in train_steps(settings, [sys.argv[1]], options):
    pass
"""


def _torchrun(processes: int, script: Path, data: Path, output: Path) -> dict[str, torch.Tensor]:
    """Train with so many processes; return the parameters after the last step."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "training")))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, f"--nproc-per-node={processes}", str(script), str(data), str(output)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    tensors: dict[str, Any] = torch.load(resume_path(output), weights_only=True)["tensors"]
    state: dict[str, torch.Tensor] = tensors["network"]
    return state


def test_two_processes_learn_what_one_does(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(_TORCHRUN)
    one = _torchrun(1, script, data, tmp_path / "one.safetensors")
    two = _torchrun(2, script, data, tmp_path / "two.safetensors")
    start = new_network(small_settings(), None).state_dict()
    moved = max(float((one[name] - start[name]).abs().max()) for name in start)
    assert moved > 1e-3
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=1e-5, atol=1e-5), name
