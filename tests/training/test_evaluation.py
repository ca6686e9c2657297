from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ds2net_training.dataset import Pair, find_pairs
from ds2net_training.evaluation import (
    EvaluationOptions,
    ImageScored,
    evaluate_steps,
    score_steps,
)
from ds2net_training.evaluation_report import EvaluationReport
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.inference import prepare
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.errors import DatasetError, ImageError, SettingsError
from napari_ds2net.network import NetworkOutput
from napari_ds2net.network.card import Framing, ModelCard
from napari_ds2net.steps import Steps
from tests.training.evaluation_cases import CARD, brightness, make_prediction, square, write_pair

EMPTY = square(0, 0, 0)


def finish(
    steps: Generator[ImageScored, None, EvaluationReport],
) -> tuple[list[ImageScored], EvaluationReport]:
    followed = Steps(steps)
    return list(followed), followed.result


def run(pairs: list[Pair], **options: Any) -> EvaluationReport:
    return finish(score_steps(pairs, brightness, CARD, **options))[1]


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """One image is found, one half found, on one without an object there is a false alarm."""
    write_pair(tmp_path, "1", square(5, 5, 10), square(5, 5, 10))
    write_pair(tmp_path, "2", square(5, 5, 10), square(5, 10, 10))
    write_pair(tmp_path, "3", square(5, 5, 10), EMPTY)
    write_pair(tmp_path, "4", square(5, 5, 4), EMPTY)
    return find_pairs(tmp_path / "made")


def test_scores_by_hand(pairs: list[Pair]) -> None:
    events, report = finish(score_steps(pairs, brightness, CARD))
    dices = [event.scores.scores["dice"] for event in events if event.scores]
    assert dices == [1.0, 0.5, 0.0, 0.0]
    assert [(event.done, event.total) for event in events] == [(n, 4) for n in range(1, 5)]
    assert events[-1].seconds_left == 0.0
    assert report.overall.scores["dice"].value == pytest.approx(1.5 / 4)
    assert report.overall.scores_with_object["dice"].value == pytest.approx(0.75)
    assert report.network_seconds == pytest.approx(4 * 0.25)
    assert (report.model, report.threshold, report.device) == ("stand-in", 0.5, "cpu")


def test_false_alarms_are_counted_on_images_without_an_object(pairs: list[Pair]) -> None:
    """A mask of 16 of 2000 pixels is under 1 % of the frame, one of 100 is not."""
    report = run(pairs)
    assert [entry.false_alarm for entry in report.images] == [None, None, True, False]
    assert report.overall.false_alarms is not None
    assert report.overall.false_alarms.value == 0.5


def test_one_bad_file_does_not_stop_the_rest(pairs: list[Pair], tmp_path: Path) -> None:
    unreadable = write_pair(tmp_path, "5", None, EMPTY)
    wrong_size = write_pair(tmp_path, "6", EMPTY[:20], EMPTY)
    missing = write_pair(tmp_path, "7", EMPTY, EMPTY)
    missing.mask.unlink()
    everything = [unreadable, *pairs[:2], wrong_size, missing, *pairs[2:]]
    events, report = finish(score_steps(everything, brightness, CARD))
    assert len(events) == 7
    assert [event.failure is not None for event in events] == [True, False, False, True, True] + [
        False
    ] * 2
    assert [failure.name for failure in report.failures] == ["5", "6", "7"]
    assert "50x20 pixels but its mask 50x40" in report.failures[1].reason
    assert report.overall.scores == run(pairs).overall.scores
    assert report.overall.failures == report.by_source[0].failures == 3


def test_an_image_that_the_network_refuses_is_a_failure(pairs: list[Pair]) -> None:
    def refuse_once(image: NDArray[Any], options: InferenceOptions, window: object) -> Prediction:
        if image.sum() < 255 * 100:
            raise ImageError("Too dark.")
        return brightness(image, options, window)

    _, report = finish(score_steps(pairs, refuse_once, CARD))
    assert [failure.reason for failure in report.failures] == ["Too dark."]
    assert report.overall.images == 3


def test_an_error_in_the_program_is_not_hidden(pairs: list[Pair]) -> None:
    def broken(image: NDArray[Any], options: InferenceOptions, window: object) -> Prediction:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        finish(score_steps(pairs, broken, CARD))


def test_data_sets_are_told_apart(pairs: list[Pair], tmp_path: Path) -> None:
    other = write_pair(tmp_path, "1", square(5, 5, 10), square(20, 20, 10), source="other")
    report = run([*pairs, other])
    assert [summary.name for summary in report.by_source] == ["made", "other"]
    assert report.by_source[1].scores["dice"].value == 0.0
    assert report.by_source[0].scores == run(pairs).overall.scores


def test_objects_are_split_and_matched_where_masks_number_them(
    pairs: list[Pair], tmp_path: Path
) -> None:
    """Also in an image of the same data set with a single object, whose mask does not tell."""
    touching = np.zeros((40, 50), np.uint16)
    touching[5:15, 5:15], touching[5:15, 15:25] = 1, 2
    nuclei = [
        write_pair(tmp_path, "a", square(5, 5, 10), square(5, 5, 10, value=1), source="nuclei"),
        write_pair(tmp_path, "b", (touching > 0).astype(np.uint8) * 255, touching, source="nuclei"),
    ]
    asked: list[bool | None] = []

    def split(image: NDArray[Any], options: InferenceOptions, window: object) -> Prediction:
        asked.append(options.split_touching)
        columns = np.arange(50) < 15
        mask = np.where(image > 0, np.where(columns, 1, 2), 0).astype(np.uint8)
        return make_prediction(image / 255, mask if options.split_touching else mask > 0)

    _, report = finish(score_steps([*pairs[:1], *nuclei], split, CARD))
    assert asked == [None, True, True]
    assert "ap50" not in report.images[0].scores
    assert [entry.scores["ap50"] for entry in report.images[1:]] == [1.0, 1.0]
    assert report.by_source[1].scores["ap50_pooled"].value == 1.0

    keep = EvaluationOptions(inference=InferenceOptions(split_touching=False))
    _, together = finish(score_steps(nuclei, split, CARD, keep))
    assert together.images[1].scores["ap50"] == 0.5, "one object where there are two"

    never = EvaluationOptions(score_objects=False)
    _, without = finish(score_steps(nuclei, split, CARD, never))
    assert "ap50" not in without.overall.scores


def test_the_threshold_asked_for_is_the_one_reported(pairs: list[Pair]) -> None:
    options = EvaluationOptions(inference=InferenceOptions(threshold=0.3))
    assert run(pairs, options=options).threshold == 0.3


def test_groups_are_drawn_as_a_whole(pairs: list[Pair]) -> None:
    grouped = run(pairs, groups=["x", "x", "y", "y"])
    dice = grouped.overall.scores["dice"]
    assert dice.low == 0.0
    assert dice.high == pytest.approx(0.75)
    assert [entry.group for entry in grouped.images] == ["x", "x", "y", "y"]


def test_nothing_to_evaluate_is_said(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no image"):
        run([])
    with pytest.raises(DatasetError, match=r"None of the 1 images could be scored; the first: .+"):
        run([write_pair(tmp_path, "x", None, EMPTY)])
    with pytest.raises(SettingsError, match="2 groups for 4 images"):
        run(pairs, groups=["a", "b"])


def test_several_classes_are_refused(pairs: list[Pair]) -> None:
    card = ModelCard(name="organs", classes=("liver", "spleen"))
    with pytest.raises(SettingsError, match="2 classes liver, spleen"):
        finish(score_steps(pairs, brightness, card))


def test_stopping_early_is_to_stop_iterating(pairs: list[Pair]) -> None:
    seen: list[int] = []

    def count(image: NDArray[Any], options: InferenceOptions, window: object) -> Prediction:
        seen.append(1)
        return brightness(image, options, window)

    steps = score_steps(pairs, count, CARD)
    next(steps)
    steps.close()
    assert len(seen) == 1


class BrightnessNetwork(torch.nn.Module):
    """Says object where an image, normalised to [-1, 1], is bright."""

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        logit = 20.0 * image.mean(dim=1, keepdim=True)
        masks = (logit.sigmoid(),) * 3
        stages = (logit,) * 6
        return NetworkOutput(
            stage_logits=stages, detail_masks=masks, semantic_masks=masks, logit=logit
        )


def test_a_network_is_evaluated_through_the_pipeline_of_users(pairs: list[Pair]) -> None:
    half = (0.5, 0.5, 0.5)
    card = ModelCard(name="bright", framing=Framing.TILES, input_size=(64, 64), mean=half, std=half)
    plan = choose_plan("cpu")
    network = prepare(BrightnessNetwork(), plan)
    _, report = finish(evaluate_steps(pairs, network, card, plan))
    assert report.overall.scores["dice"].value == pytest.approx(1.5 / 4)
    assert report.images[0].scores["hd95_px"] == 0.0
    assert report.device == "cpu"
    assert report.network_seconds > 0.0
