"""Whether the uncertainty of an image tells that its mask is wrong, and that of a pixel which.

    python -m benchmarks.ranking --model polyp --data KVASIR CLINICDB [--all] [--most N] [--more]

Without ``--all`` only the images that the network did not learn from are taken, found again by the
split in its card. For each candidate score: Spearman's rank correlation with 1 - Dice over the
images, and the mean of 1 - Dice of the fifth that it ranks first, beside the mean of all images.
With ``--more`` also scores of further predictions: of flipped images, of single streams.
For pixels: AUROC of the uncertainty for being wrong, mean over the images with both kinds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn

from ds2net_training.dataset import Pair, find_pairs, load_mask
from ds2net_training.metrics import dice
from ds2net_training.reading import division_settings, read_and_split
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.files import read_image
from napari_ds2net.core.image_score import image_score
from napari_ds2net.core.inference import predict, prepare
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.errors import DS2NetError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import load_network
from napari_ds2net.network.interface import NetworkOutput, SegmentationNetwork
from napari_ds2net.steps import result_of

_PLAIN = InferenceOptions(split_touching=False)
_FLIPPED = InferenceOptions(split_touching=False, flips=True)
_SAMPLED_PIXELS = 20_000


class Branch(nn.Module):
    """A network that answers with twice the sum of one of its streams."""

    def __init__(self, network: SegmentationNetwork, first: int) -> None:
        super().__init__()
        self.network = network
        self.first = first

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Return the output with another fused logit."""
        output: NetworkOutput = self.network(image)
        logits = output.stage_logits[self.first : self.first + 3]
        return output._replace(logit=2 * torch.stack(logits).sum(dim=0))


def candidates(plain: Prediction) -> dict[str, float]:
    """Return the scores that one prediction gives."""
    p, u = plain.probability, plain.uncertainty
    near = p > 0.1
    outline = max(1.0, float(np.count_nonzero(plain.mask != 0)) ** 0.5)
    return {
        "mean uncertainty (paper)": plain.mean_uncertainty,
        "mean where p > 0.1": float(u[near].mean()) if near.any() else 0.0,
        "sum / root of area": float(u.sum(dtype=np.float64)) / outline,
        "expected Dice loss": image_score(plain),
    }


def more_candidates(
    plain: Prediction, flipped: Prediction, detail: Prediction, semantic: Prediction
) -> dict[str, float]:
    """Return the scores that need further predictions."""
    disagree = _soft_loss(detail.probability, semantic.probability)
    turned = _soft_loss(plain.probability, flipped.probability)
    expected = image_score(plain)
    return {
        "streams differ, 1 - soft Dice": disagree,
        "flips differ, 1 - soft Dice": turned,
        "expected Dice loss + streams": expected + disagree,
        "expected Dice loss + flips": expected + turned,
        "expected + streams + flips": expected + disagree + turned,
    }


def _soft_loss(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return 1 - 2 sum min / (sum + sum), 0 where both are empty."""
    total = float(first.sum(dtype=np.float64) + second.sum(dtype=np.float64))
    shared = float(np.minimum(first, second).sum(dtype=np.float64))
    return 1.0 - (2.0 * shared + 1.0) / (total + 1.0)


def pixel_auroc(prediction: Prediction, truth: NDArray[np.bool_]) -> float:
    """Return how often a wrong pixel is more uncertain than a right one; NaN without wrong ones."""
    wrong = ((prediction.mask != 0) != truth).ravel()
    scores = prediction.uncertainty.ravel()
    if len(wrong) > _SAMPLED_PIXELS:
        chosen = np.random.default_rng(0).choice(len(wrong), _SAMPLED_PIXELS, replace=False)
        wrong, scores = wrong[chosen], scores[chosen]
    positives = int(np.count_nonzero(wrong))
    if positives in (0, len(wrong)):
        return float("nan")
    ranks = np.asarray(rankdata(scores))
    above = float(ranks[wrong].sum()) - positives * (positives + 1) / 2
    return above / (positives * (len(wrong) - positives))


def main() -> None:
    """Score all images and print the table."""
    options = _parser().parse_args()
    entry = ModelLibrary().entry(options.model)
    pairs = _pairs(entry.card, options)
    plan = choose_plan("cpu")
    network = load_network(entry.path)
    ready = prepare(network, plan)
    forms: list[tuple[nn.Module, InferenceOptions]] = [
        (ready, _FLIPPED),
        (Branch(network, 0).eval(), _PLAIN),
        (Branch(network, 3).eval(), _PLAIN),
    ]
    table: list[dict[str, float]] = []
    losses: list[float] = []
    aurocs: list[float] = []
    for pair in pairs:
        image, truth = read_image(pair.image), load_mask(pair.mask) != 0
        plain = predict(image, ready, entry.card, plan, _PLAIN)
        table.append(candidates(plain))
        if options.more:
            others = [predict(image, form, entry.card, plan, how) for form, how in forms]
            table[-1].update(more_candidates(plain, *others))
        losses.append(1 - dice(plain.mask != 0, truth))
        aurocs.append(pixel_auroc(plain, truth))
    _print(entry.name, table, np.asarray(losses), np.asarray(aurocs))


def _print(
    name: str,
    table: Sequence[Mapping[str, float]],
    losses: NDArray[np.float64],
    aurocs: NDArray[np.float64],
) -> None:
    print(
        f"{name}: {len(losses)} images, mean 1 - Dice {losses.mean():.3f}; AUROC of pixel "
        f"uncertainty for pixel error {np.nanmean(aurocs):.3f}"
    )
    first = max(1, len(losses) // 5)
    for key in table[0]:
        scores = np.asarray([row[key] for row in table])
        correlation = float(np.corrcoef(rankdata(scores), rankdata(losses))[0, 1])  # Spearman's
        fifth = losses[np.argsort(-scores)[:first]].mean()
        print(f"  {key:32s} Spearman {correlation:+.3f}, 1 - Dice of the first fifth {fifth:.3f}")


def _pairs(card: ModelCard, options: argparse.Namespace) -> list[Pair]:
    if options.all:
        pairs = [pair for folder in options.data for pair in find_pairs(folder)]
    else:
        try:
            settings = division_settings(card)
        except DS2NetError as error:
            raise SystemExit(f"{error}") from error
        reading = read_and_split(options.data, settings)
        pairs = [sample.pair for sample in result_of(reading).validation]
    if options.most and len(pairs) > options.most:
        chosen = np.random.default_rng(0).choice(len(pairs), options.most, replace=False)
        pairs = [pairs[at] for at in sorted(chosen.tolist())]
    return pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Does uncertainty track error?")
    parser.add_argument("--model", default="polyp")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--all", action="store_true", help="take every image")
    parser.add_argument("--more", action="store_true", help="scores of further predictions, too")
    parser.add_argument("--most", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
