from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from ds2net_training.evaluation_report import EvaluationReport, ImageFailure
from ds2net_training.evaluation_table import format_report
from ds2net_training.image_scores import ImageScores, ScoringOptions
from ds2net_training.instance_metrics import ObjectCounts
from ds2net_training.statistics import Bootstrap
from ds2net_training.summary import POOLED, summarise, summarise_by_source
from napari_ds2net.errors import DatasetError

NAN = float("nan")


def image(name: str, dice: float, *, source: str = "first", **others: object) -> ImageScores:
    scores = {"dice": dice, "hd95_px": NAN if dice == 0 else 3.25}
    plain = ImageScores(name=name, source=source, has_object=True, predicted_share=0.1)
    return replace(plain, **{"scores": scores, **others})  # type: ignore[arg-type]


def counts(found: int, invented: int, missed: int) -> ObjectCounts:
    return ObjectCounts(true_positives=found, false_positives=invented, false_negatives=missed)


IMAGES = (
    image("a", 0.9, group="sequence 1"),
    image("b", 0.7, group="sequence 1"),
    image("c", 0.5, group="sequence 2"),
    image("d", 0.0, source="second"),
    image("e", 1.0, source="second", has_object=False, false_alarm=False),
    image("f", 0.0, source="second", has_object=False, false_alarm=True),
)


def make_report(images: tuple[ImageScores, ...] = IMAGES, failures: int = 1) -> EvaluationReport:
    broken = ImageFailure(name="g", source="second", reason="No picture.")
    return EvaluationReport(
        model="polyp",
        threshold=0.5,
        device="cpu",
        scoring=ScoringOptions(),
        bootstrap=Bootstrap(resamples=200),
        overall=summarise("all", images, failures),
        by_source=tuple(summarise_by_source(images, ["second"] * failures)),
        images=images,
        failures=(broken,) * failures,
        network_seconds=1.5,
        scoring_seconds=0.1,
    )


def test_means_with_and_without_the_images_that_have_no_object() -> None:
    summary = summarise("all", IMAGES)
    assert (summary.images, summary.without_object) == (6, 2)
    assert summary.scores["dice"].value == pytest.approx((0.9 + 0.7 + 0.5 + 1.0) / 6)
    assert summary.scores_with_object["dice"].value == pytest.approx((0.9 + 0.7 + 0.5) / 4)
    assert summary.scores["hd95_px"].count == 4, "undefined where only one mask is empty"
    assert summary.scores["hd95_px"].value == 3.25
    assert summary.false_alarms is not None
    assert (summary.false_alarms.value, summary.false_alarms.count) == (0.5, 2)


def test_without_empty_truths_there_is_no_rate_of_false_alarms() -> None:
    assert summarise("all", IMAGES[:3]).false_alarms is None


def test_images_of_a_group_are_drawn_together() -> None:
    grouped = summarise("all", IMAGES[:3]).scores["dice"]
    assert grouped.low == pytest.approx(0.5), "the mean of one group"
    assert grouped.high == pytest.approx(0.8), "the mean of the other"
    alone = summarise("all", [replace(entry, group=None) for entry in IMAGES[:3]]).scores["dice"]
    assert alone.high > 0.85


def test_a_group_name_means_nothing_across_data_sets() -> None:
    images = [image("1", 0.2, group="1"), image("1", 0.8, group="1", source="second")]
    assert not math.isnan(summarise("all", images).scores["dice"].low)


def test_pooled_objects_count_each_object_alike() -> None:
    images = [
        image("many", 0.9, scores={"ap50": 0.9}, objects=counts(90, 5, 5)),
        image("one", 0.9, scores={"ap50": 0.0}, objects=counts(0, 0, 1)),
    ]
    scores = summarise("all", images).scores
    assert scores["ap50"].value == pytest.approx(0.45)
    assert scores[POOLED].value == pytest.approx(90 / 101)


def test_json_there_and_back() -> None:
    objects = replace(IMAGES[0], objects=counts(3, 1, 0))
    report = make_report((objects, *IMAGES[1:]))
    text = report.to_json()
    read = EvaluationReport.from_json(text)
    assert read.to_json() == text
    assert read.images[:3] == report.images[:3]
    assert math.isnan(read.images[3].scores["hd95_px"])
    assert read.failures == report.failures
    assert read.overall.scores["dice"] == report.overall.scores["dice"]
    assert json.loads(text)["images"][3]["scores"]["hd95_px"] is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', '{"format": 1, "overall": 3}']
)
def test_what_is_no_report_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(DatasetError, match="expected what the evaluate command wrote"):
        EvaluationReport.from_json(text)


def test_scores_for_a_card_are_plain_json() -> None:
    entry = make_report().for_card()
    assert entry.keys() == {"first", "second"}
    assert entry["first"]["dice"][0] == 0.7
    assert entry["second"]["images"] == 3
    assert entry["second"]["hd95_px"][0] is None
    assert entry["second"]["false_alarms"][0] == 0.5
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry


def test_table_says_what_a_reader_needs() -> None:
    text = format_report(make_report())
    assert "polyp at threshold 0.5 on 6 images, 2 of them without an object" in text
    assert "95 % interval over images drawn by group (2 groups)" in text
    dice = next(line for line in text.splitlines() if line.startswith("Dice"))
    assert "0.5167 [" in dice
    assert "0.5250 [" in dice
    assert "3.25" in text
    assert "of 4 images" in text
    assert "50.0 %" in text
    assert "second/g: No picture." in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("first", "second"))]
    assert [row[:3] for row in rows] == [["first", "3", "0.7000"], ["second", "3", "0.3333"]]


def test_table_of_one_data_set_is_short() -> None:
    text = format_report(make_report(IMAGES[:1], failures=0))
    assert "data set" not in text
    assert "False alarms" not in text
    assert "could not" not in text
    assert "0.9000\n" in text, "one image has no interval"


def test_many_failures_are_not_all_told() -> None:
    text = format_report(make_report(failures=25))
    assert "25 images could not be scored" in text
    assert "and 15 more" in text
    assert text.count("No picture") == 10


def test_a_data_set_of_failures_only_is_still_told() -> None:
    summaries = summarise_by_source(IMAGES[:3], ["third", "first", "third"])
    assert [(s.name, s.images, s.failures) for s in summaries] == [("first", 3, 1), ("third", 0, 2)]
    assert summaries[1].scores == {}
