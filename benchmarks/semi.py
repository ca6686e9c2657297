r"""What images without a mask add to a few with one.

    python -m benchmarks.semi --data POLYPGEN/train --json semi.json [--model polyp] [--hospital C2]
        [--labelled 4,8,16] [--unlabelled 200] [--seeds 0,1,2] [--tested 60] [--steps 60]

A network that has seen none of the images learns from a few with their masks, as quick fine-tuning
does, and from the same with further ones whose masks it is not shown, as the mode *semi* does: once
with SS-Net's weight on ACDC (0.1), once with that on LA (1). One training on all masks, without the
plugin's rounds; of what was learned the usual share is taken. Dice on fixed other images, at the
network's size. None of these looks like one that was learned from. Every trial is written down when
it is done, and not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.hospitals import Subject, hospital_of
from ds2net_training.dataset import find_pairs, load_mask
from ds2net_training.finetuning.caching import CacheLimits, cache_views
from ds2net_training.finetuning.choice import dice_of
from ds2net_training.finetuning.companion import Uncorrected
from ds2net_training.finetuning.corrections import framed
from ds2net_training.finetuning.division import balanced, empty_overlap, group_pictures
from ds2net_training.finetuning.learner import Learner
from ds2net_training.finetuning.settings import FineTuneSettings, Mode, make_settings
from ds2net_training.finetuning.sources import CachedViews, examine
from ds2net_training.finetuning.trained_part import trained_levels
from ds2net_training.finetuning.views import ViewMaker
from ds2net_training.semi.settings import SemiSettings
from napari_ds2net.core.device import choose_plan
from napari_ds2net.core.files import read_image
from napari_ds2net.steps import result_of

_NO_LIMIT = 1e12
_SPARE = 20
ARMS = {"labelled only": 0.0, "semi, 0.1": 0.1, "semi, 1": 1.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Images:
    """Some images as the network sees them: those to test on, and a pool to learn from."""

    planes: list[NDArray[np.uint8]]
    tested: tuple[int, ...]
    pool: tuple[int, ...]
    groups: tuple[int, ...]

    def has_object(self, at: int) -> bool:
        """Whether an image's mask is not empty."""
        return bool(self.planes[at][3:-1].any())

    def labelled(self, most: int, seed: int) -> list[int]:
        """Return images that get a mask, one of a group, the first with something in it."""
        order = np.random.default_rng((seed, 5)).permutation(np.asarray(self.pool)).tolist()
        first = next(at for at in order if self.has_object(at))
        order = [first, *(at for at in order if at != first)]
        chosen: list[int] = []
        for at in order:
            if len(chosen) < most and self.groups[at] not in {self.groups[c] for c in chosen}:
                chosen.append(at)
        return chosen


class Bench:
    """A network, images and the features that were computed already."""

    def __init__(self, subject: Subject, images: Images, options: argparse.Namespace) -> None:
        self.subject = subject
        self.images = images
        self.options = options
        self.maker = ViewMaker(subject.card, 0)
        self.test = self._encoded(images.tested, 0)
        self.pool = self._encoded(images.pool, SemiSettings().views)
        self._labelled: dict[int, CachedViews] = {}
        self.before = self._dice(subject.network())

    def trial(self, seed: int, count: int, arm: str) -> dict[str, Any]:
        """Learn from `count` images with a mask and return the scores."""
        chosen = self.images.labelled(max(self.options.labelled), seed)
        if seed not in self._labelled:
            self._labelled[seed] = self._encoded(chosen, FineTuneSettings().views)
        source = self._labelled[seed]
        mode: Mode = "quick" if ARMS[arm] == 0 else "semi"
        settings = dataclasses.replace(
            make_settings("semi", seed=seed),
            mode=mode,
            steps=self.options.steps,
            semi=SemiSettings(weight=ARMS[arm]),
        )
        learner = Learner(self.subject.network(), settings)
        learner.empty_overlap = empty_overlap([self.images.has_object(at) for at in chosen[:count]])
        used = 0
        if mode == "semi":
            kept = [at for at, image in enumerate(self.images.pool) if image not in chosen]
            others = _subset(self.pool, kept[: self.options.unlabelled])
            used = others.images
            threshold = self.subject.card.threshold
            learner.companion = Uncorrected(learner.network, others, used, settings, threshold)
        began = time.process_time()
        members = balanced(range(count), [self.images.has_object(at) for at in chosen])
        learner.restart(1)
        for step in range(settings.steps):
            learner.step(source, members, step / settings.steps)
        seconds = time.process_time() - began
        learner.load(learner.mixed(settings.usual_share))
        return {
            "seed": seed,
            "labelled": count,
            "arm": arm,
            "unlabelled": used,
            "before": self.before,
            "after": self._dice(learner.network),
            "cpu_seconds": round(seconds, 1),
            "date": datetime.date.today().isoformat(),
        }

    def _dice(self, network: Any) -> float:
        """Return mean Dice of the images to test on."""
        said = examine(self.test, network, range(self.test.images))
        return float(dice_of(said, self.subject.card.threshold).mean())

    def _encoded(self, members: Sequence[int], views: int) -> CachedViews:
        planes = [self.images.planes[at] for at in members]
        limits = CacheLimits(max(views, 1), _NO_LIMIT, _NO_LIMIT)
        if views == 0:
            limits = CacheLimits(0, _NO_LIMIT, _NO_LIMIT)
        network, plan = self.subject.network(), choose_plan("cpu")
        trained = trained_levels(network, make_settings("semi"))
        return result_of(cache_views(planes, network, self.maker, plan, limits, trained))


def _subset(views: CachedViews, kept: Sequence[int]) -> CachedViews:
    """Return the views of some images."""
    at = torch.as_tensor([v * views.images + i for v in range(views.views) for i in kept])
    features = [level[at] for level in views.features]
    return CachedViews(features, views.mask[at], views.known[at], len(kept))


def read_images(subject: Subject, options: argparse.Namespace) -> Images:
    """Read the images to test on, and those to learn from that do not look like them."""
    pairs = [
        pair
        for pair in find_pairs(options.data)
        if not options.hospital or hospital_of(pair.name) == options.hospital
    ]
    count = options.tested + options.unlabelled + max(options.labelled) + _SPARE
    order = np.random.default_rng(7).permutation(len(pairs))[:count].tolist()
    planes: list[NDArray[np.uint8]] = []
    for at in order:
        mask = load_mask(pairs[at].mask)
        image = read_image(pairs[at].image)
        planes.append(framed(image, mask, np.ones(mask.shape, np.bool_), subject.card))
    small = [np.ascontiguousarray(np.moveaxis(p[:3, ::2, ::2], 0, -1)) for p in planes]
    groups = group_pictures(small)
    tested = tuple(range(options.tested))
    seen = {groups[at] for at in tested}
    pool = tuple(at for at in range(len(planes)) if at >= len(tested) and groups[at] not in seen)
    return Images(planes, tested, pool, groups)


def tables(trials: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table: the gain of every arm by seed, and its mean."""
    before = trials[0]["before"]
    yield f"Dice before: {before:.3f}"
    for count in sorted({trial["labelled"] for trial in trials}):
        for arm in ARMS:
            found = [t for t in trials if t["labelled"] == count and t["arm"] == arm]
            found.sort(key=lambda trial: trial["seed"])
            gains = [trial["after"] - before for trial in found]
            if gains:
                shown = ", ".join(f"{gain:+.3f}" for gain in gains)
                seconds = np.mean([trial["cpu_seconds"] for trial in found])
                yield (
                    f"{count} labelled, {arm}: {shown}; mean {np.mean(gains):+.4f}; "
                    f"{seconds:.0f} s CPU"
                )


def main() -> None:
    """Run the trials that are not done yet, and print the table."""
    options = _parser().parse_args()
    done: list[dict[str, Any]] = (
        json.loads(options.json.read_text(encoding="utf-8")) if options.json.is_file() else []
    )
    keys = {(t["seed"], t["labelled"], t["arm"]) for t in done}
    left = [
        (seed, count, arm)
        for arm in ARMS
        for seed in options.seeds
        for count in options.labelled
        if (seed, count, arm) not in keys
    ]
    if left:
        subject = Subject.load(options.model)
        bench = Bench(subject, read_images(subject, options), options)
        print(f"{len(bench.images.tested)} tested, {len(bench.images.pool)} to learn from")
        for each in left:
            done.append(bench.trial(*each))
            print(done[-1], flush=True)
            options.json.write_text(json.dumps(done, indent=1), encoding="utf-8")
    for line in tables(done):
        print(line)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="PolypGen's images and masks")
    parser.add_argument("--json", type=Path, required=True, help="trials, done ones included")
    parser.add_argument("--model", default="polyp")
    parser.add_argument("--hospital", default="", help="C1 to C6; all if not given")
    parser.add_argument("--labelled", type=_numbers, default=[4, 8, 16])
    parser.add_argument("--unlabelled", type=int, default=200)
    parser.add_argument("--seeds", type=_numbers, default=[0, 1, 2])
    parser.add_argument("--tested", type=int, default=60)
    parser.add_argument("--steps", type=int, default=60)
    return parser


if __name__ == "__main__":
    main()
