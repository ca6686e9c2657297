"""Write metric_goldens.json: the cases of metric_cases.py scored by two reference programs.

pysodmetrics holds numpy, scikit-image and OpenCV at old versions and MONAI takes long to import, so
that both are run once, each in an environment that has it, from the root of the repository::

    python -m venv /tmp/reference && /tmp/reference/bin/pip install pysodmetrics==1.6.2
    /tmp/reference/bin/python -m tests.training.make_metric_goldens pysodmetrics
    .venv/bin/python -m tests.training.make_metric_goldens monai
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np

from tests.training.metric_cases import Case, metric_cases

GOLDENS = Path(__file__).with_name("metric_goldens.json")
SURFACE_TOLERANCE_PX = 2.0


def pysodmetrics(case: Case) -> dict[str, float]:
    """Score the map of one case, which is not stretched to its minimum and maximum."""
    reference = importlib.import_module("py_sod_metrics")
    measures = [reference.Smeasure(), reference.Emeasure(), reference.WeightedFmeasure()]
    measures.append(reference.MAE())
    for measure in measures:
        measure.step(case.probability, case.truth, normalize=False)
    structure, alignment, weighted, error = (measure.get_results() for measure in measures)
    curve = alignment["em"]["curve"]
    return {
        "s_measure": float(structure["sm"]),
        "mean_e": float(curve.mean()),
        "max_e": float(curve.max()),
        "adaptive_e": float(alignment["em"]["adp"]),
        "weighted_f": float(weighted["wfm"]),
        "mean_absolute_error": float(error["mae"]),
    }


def monai(case: Case) -> dict[str, float]:
    """Score the outline of one case's map at 1/2; nothing where a mask is empty."""
    torch = importlib.import_module("torch")
    metrics = importlib.import_module("monai.metrics")
    masks = (case.probability >= 0.5, case.truth)
    one_hot = [torch.from_numpy(np.stack([~mask, mask])[None]) for mask in masks]
    scores = {
        "hd95": metrics.compute_hausdorff_distance(*one_hot, percentile=95).item(),
        "surface_dice": metrics.compute_surface_dice(*one_hot, [SURFACE_TOLERANCE_PX]).item(),
    }
    return {name: score for name, score in scores.items() if all(m.any() for m in masks)}


def main(program: str) -> None:
    """Put the scores of one program into the file, beside those of the other."""
    score = {"pysodmetrics": pysodmetrics, "monai": monai}[program]
    goldens = json.loads(GOLDENS.read_text()) if GOLDENS.exists() else {}
    for name, case in metric_cases().items():
        scores = score(case)
        assert all(math.isfinite(value) for value in scores.values()), (name, scores)
        goldens[name] = {**goldens.get(name, {}), **scores}
    GOLDENS.write_text(json.dumps(goldens, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
