"""Rounds of a fine-tuning: their number and length in the time there is, and their curves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ds2net_training.finetuning.choice import dice_of
from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.division import Part
from ds2net_training.finetuning.events import StepDone, SteppedDown, Validated
from ds2net_training.finetuning.learner import Learner
from ds2net_training.finetuning.rounds import Rounds
from ds2net_training.finetuning.sources import FreshViews, examine
from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.network import NetworkConfig, build_network
from tests.training.finetune_cases import CARD, SETTINGS

PART = Part((0, 1), (2,))


def _source() -> FreshViews:
    """Three images of noise, with a bright square each."""
    planes = np.random.default_rng(0).integers(0, 90, (3, 5, 64, 64)).astype(np.uint8)
    planes[:, 3], planes[:, 4] = 0, 255
    planes[:, 3, 20:40, 20:40] = 255
    planes[:, :3, 20:40, 20:40] += 120
    return FreshViews(list(planes), ViewMaker(CARD, seed=0), torch.device("cpu"))


def _rounds(count: int, steps: int, seconds: float) -> tuple[Rounds, Learner]:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder="mobilenetv2_035", channels=16)).eval()
    settings = dataclasses.replace(SETTINGS, steps=steps)
    learner = Learner(network, settings)
    rounds = Rounds(
        learner, settings, Clock(seconds), rounds=count, tested=3, should_stop=lambda: False
    )
    return rounds, learner


def test_a_short_time_gives_fewer_rounds_of_fewer_steps() -> None:
    rounds, _ = _rounds(5, steps=1000, seconds=0.0)
    events = list(rounds.learn(_source(), PART, 1))
    (told,) = [event for event in events if isinstance(event, SteppedDown)]
    assert "2 of 5 rounds" in told.reason
    assert rounds.count == 2
    steps = [event for event in events if isinstance(event, StepDone)]
    assert steps[-1].step == steps[-1].steps < 20
    curve = [event for event in events if isinstance(event, Validated)]
    assert [event.step for event in curve] == [5, 10]
    assert len({event.dice_before for event in curve}) == 1


def test_a_round_that_takes_longer_costs_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, _ = _rounds(10, steps=10, seconds=1e9)
    told: list[str] = []
    for number, left in enumerate((1e9, 0.0), start=1):
        monkeypatch.setattr(Clock, "left", left)
        events = rounds.learn(_source(), PART, number)
        told += [event.reason for event in events if isinstance(event, SteppedDown)]
        assert rounds.count == (10 if number == 1 else 2)
    assert [reason.split(" rounds")[0] for reason in told] == ["The time is enough for 2 of 10"]


def test_the_curve_has_no_point_just_before_its_last() -> None:
    rounds, learner = _rounds(3, steps=12, seconds=1e9)
    source = _source()
    parts = [PART, Part((1, 2), (0,)), Part((0,), (1, 2))]
    curves = [
        [event for event in rounds.learn(source, part, number) if isinstance(event, Validated)]
        for number, part in enumerate(parts, start=1)
    ]
    assert [[event.step for event in curve] for curve in curves] == [[5, 12]] * 3
    learner.restart(0)
    for part, curve in zip(parts, curves, strict=True):
        start = dice_of(examine(source, learner.network, part.hold_out)).mean()
        assert [event.dice_before for event in curve] == pytest.approx([start] * 2)
