"""An evaluation report as plain text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ds2net_training.evaluation_report import EvaluationReport
from ds2net_training.statistics import Estimate
from ds2net_training.summary import LABELS, Summary

MOST_FAILURES = 10
"""Failures that are told one by one."""
PIXEL_SCORES = ("hd95_px",)
"""Scores that are lengths: fewer digits."""
SOURCE_COLUMNS = ("dice", "iou", "s_measure", "hd95_px", "surface_dice", "ap50")
"""Scores of the table by data set, where they are there."""


def format_report(report: EvaluationReport) -> str:
    """Return the report as lines of text.

    Parameters
    ----------
    report
        From `evaluate_steps`.
    """
    parts = [_title(report), _scores(report)]
    if report.overall.false_alarms is not None:
        parts.append(_alarms(report, report.overall.false_alarms))
    if len(report.by_source) > 1:
        parts.append(_sources(report))
    if report.failures:
        parts.append(_failures(report))
    return "\n\n".join(parts) + "\n"


def _title(report: EvaluationReport) -> str:
    summary = report.overall
    images = f"{summary.images} images"
    if summary.without_object:
        images += f", {summary.without_object} of them without an object"
    percent = f"{report.bootstrap.confidence:.0%}".replace("%", " %")
    lines = [
        f"{report.model} at threshold {report.threshold:g} on {images}",
        f"Means, and in brackets the {percent} interval over images{_grouped(report)}.",
    ]
    return "\n".join(lines)


def _grouped(report: EvaluationReport) -> str:
    groups = {(image.source, image.group) for image in report.images if image.group is not None}
    return f" drawn by group ({len(groups)} groups)" if groups else ""


def _scores(report: EvaluationReport) -> str:
    """Return a line per score; two columns of means where some images have no object."""
    summary = report.overall
    split = 0 < summary.without_object < summary.images
    rows = [["", "all images", "images with an object"] if split else ["", "mean"]]
    for name, label in LABELS.items():
        if name not in summary.scores:
            continue
        row = [_label(name, label, report), _cell(name, summary.scores[name], summary.images)]
        if split:
            found = summary.images - summary.without_object
            row.append(_cell(name, summary.scores_with_object[name], found))
        rows.append(row)
    return _aligned(rows)


def _label(name: str, label: str, report: EvaluationReport) -> str:
    if name == "surface_dice":
        return f"{label} at {report.scoring.surface_tolerance_px:g} px"
    return label


def _cell(name: str, estimate: Estimate, images: int) -> str:
    """Return ``mean [low, high]``, and of how many images if not of all."""
    text = _number(name, estimate.value)
    if not math.isnan(estimate.low):
        text += f" [{_number(name, estimate.low)}, {_number(name, estimate.high)}]"
    return text if estimate.count == images else f"{text} of {estimate.count} images"


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if name in PIXEL_SCORES else f"{value:.4f}"


def _alarms(report: EvaluationReport, alarms: Estimate) -> str:
    interval = ""
    if not math.isnan(alarms.low):
        interval = f" [{100 * alarms.low:.1f}, {100 * alarms.high:.1f}]"
    return (
        f"False alarms (mask over {100 * report.scoring.false_alarm_share:g} % of the frame): "
        f"{100 * alarms.value:.1f} %{interval} of {alarms.count} images without an object"
    )


def _sources(report: EvaluationReport) -> str:
    """Return a line per data set."""
    columns = [name for name in SOURCE_COLUMNS if name in report.overall.scores]
    rows = [["data set", "images", *(LABELS[name] for name in columns), "false alarms"]]
    for summary in report.by_source:
        means = [_source_cell(name, summary.scores) for name in columns]
        rows.append([summary.name, str(summary.images), *means, _share(summary)])
    return _aligned(rows)


def _source_cell(name: str, scores: Mapping[str, Estimate]) -> str:
    return _number(name, scores[name].value) if name in scores else "-"


def _share(summary: Summary) -> str:
    alarms = summary.false_alarms
    return "-" if alarms is None else f"{100 * alarms.value:.1f} % of {alarms.count}"


def _failures(report: EvaluationReport) -> str:
    """Return the images that could not be scored, and why."""
    lines = [f"{len(report.failures)} images could not be scored:"]
    lines += [f"  {f.source}/{f.name}: {f.reason}" for f in report.failures[:MOST_FAILURES]]
    if len(report.failures) > MOST_FAILURES:
        lines.append(f"  and {len(report.failures) - MOST_FAILURES} more")
    return "\n".join(lines)


def _aligned(rows: list[list[str]]) -> str:
    """Return rows of cells as lines with the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
