"""What an evaluation found: per image, in the mean, by data set; to and from JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ds2net_training.image_scores import ImageScores, ScoringOptions
from ds2net_training.instance_metrics import ObjectCounts
from ds2net_training.statistics import Bootstrap, Estimate
from ds2net_training.summary import Summary
from napari_ds2net.errors import DatasetError

FORMAT = 1
"""Version of the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailure:
    """An image that has no scores, and why in one sentence."""

    name: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """The result of an evaluation.

    Attributes
    ----------
    model, threshold, device
        Which network, the threshold of its masks, where it ran.
    scoring, bootstrap
        The options of the scores and of the intervals.
    overall, by_source
        Means over all images and over those of each data set.
    images, failures
        Scores per image, and the images that have none.
    network_seconds, scoring_seconds
        Time in the network, and in comparing its answers with the truth.
    """

    model: str
    threshold: float
    device: str
    scoring: ScoringOptions
    bootstrap: Bootstrap
    overall: Summary
    by_source: tuple[Summary, ...]
    images: tuple[ImageScores, ...]
    failures: tuple[ImageFailure, ...]
    network_seconds: float
    scoring_seconds: float

    def to_json(self) -> str:
        """Return the report as a JSON object; NaN becomes null."""
        values = {"format": FORMAT, **asdict(self)}
        return json.dumps(_without_nan(values), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> EvaluationReport:
        """Read what `to_json` wrote.

        Raises
        ------
        DatasetError
            The text is no report of a format that this version knows.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            return cls(**{key: _READERS.get(key, _same)(value) for key, value in values.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"The text is no evaluation report of format {FORMAT} ({error}); expected what "
                "the evaluate command wrote with --json."
            ) from error

    def for_card(self) -> dict[str, Any]:
        """Return the means of each data set for a model card; see `Summary.for_card`."""
        return {summary.name: summary.for_card() for summary in self.by_source}


def _without_nan(value: Any) -> Any:
    """Return nested JSON values with None for NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {key: _number(value) for key, value in values.items()}


def _estimate(values: Mapping[str, Any]) -> Estimate:
    numbers = _numbers({key: values[key] for key in ("value", "low", "high")})
    return Estimate(**numbers, count=values["count"])


def _estimates(values: Mapping[str, Any]) -> dict[str, Estimate]:
    return {name: _estimate(estimate) for name, estimate in values.items()}


def _summary(values: Mapping[str, Any]) -> Summary:
    alarms = values["false_alarms"]
    read: dict[str, Any] = {
        "scores": _estimates(values["scores"]),
        "scores_with_object": _estimates(values["scores_with_object"]),
        "false_alarms": None if alarms is None else _estimate(alarms),
    }
    return Summary(**{**values, **read})


def _image(values: Mapping[str, Any]) -> ImageScores:
    objects = values["objects"]
    read: dict[str, Any] = {
        "scores": _numbers(values["scores"]),
        "objects": None if objects is None else ObjectCounts(**objects),
    }
    return ImageScores(**{**values, **read})


def _same(value: Any) -> Any:
    return value


def _all(read: Callable[[Mapping[str, Any]], Any], values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(read(value) for value in values)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "scoring": lambda values: ScoringOptions(**values),
    "bootstrap": lambda values: Bootstrap(**values),
    "overall": _summary,
    "by_source": lambda values: _all(_summary, values),
    "images": lambda values: _all(_image, values),
    "failures": lambda values: _all(lambda entry: ImageFailure(**entry), values),
}
