r"""What fine-tuning gains on hospitals that a network has never seen, and what it forgets.

    python -m benchmarks.finetuning --data POLYPGEN/train --model polyp --corrections 8 \\
        --hospitals C2,C5 --seeds 0,1 [--mode full] [--order queue] [--other KVASIR/train]
        [--set learning_rate=0.003] [--json FILE]

For every hospital and seed some images stand for corrected ones: at random, or the most uncertain
first, as the queue asks for them. All but those like them are the rest, on which Dice is measured
before and after, at the network's size. Each line shows the gain for every share of the learned
weights in the mixture (0: the network before) at every threshold, and for the pair that
cross-validation on the corrections chooses. As in the plugin, what is learned is the mean of the
rounds of cross-validation, and it is tested on what each round left out; *selected* says that the
plugin would hand it to the user after that test, whose mean gain stands beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.hospitals import Hospital, Subject, read_hospital
from ds2net_training.finetuning.caching import CacheLimits, cache_views
from ds2net_training.finetuning.choice import Candidate, candidates, choose, dice_of
from ds2net_training.finetuning.comparison import SCORES, ImagePair, compare
from ds2net_training.finetuning.division import (
    Division,
    balanced,
    empty_overlap,
    learning_parts,
    left_out_by,
    make_folds,
)
from ds2net_training.finetuning.events import Compared
from ds2net_training.finetuning.keeping import judge
from ds2net_training.finetuning.learner import Learner, State, mean_state
from ds2net_training.finetuning.settings import FineTuneSettings, make_settings
from ds2net_training.finetuning.sources import FreshViews, Source, examine
from ds2net_training.finetuning.trained_part import trained_levels
from ds2net_training.finetuning.views import ViewMaker
from napari_ds2net.core.device import choose_plan
from napari_ds2net.steps import result_of

_NO_LIMIT = 1e12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fine-tuning: Dice of the rest and of other images, by share and threshold.

    The first candidate is the network before.
    """

    hospital: str
    seed: int
    corrections: int
    rest: int
    candidates: tuple[Candidate, ...]
    dice: tuple[float, ...]
    other: tuple[float, ...]
    chosen: Candidate
    tested_gain: float
    selected: bool
    cpu_seconds: float

    def line(self) -> str:
        """Return the trial as a line of a table."""
        chosen = (
            f"; chosen {self.gain(self.chosen):+.3f}; tested {self.tested_gain:+.3f}, "
            f"{'selected' if self.selected else 'not selected'}"
        )
        return (
            f"{self.hospital} seed {self.seed}, {self.corrections} of {self.rest} others: "
            f"{self.dice[0]:.3f}; {described(self.candidates, self.gains())}"
            f"{'; elsewhere ' + described(self.candidates, self.kept()) if self.other else ''}"
            f"{chosen}; {self.cpu_seconds:.0f} s CPU"
        )

    def gains(self) -> list[float]:
        """Return the gain of every candidate on the rest."""
        return [dice - self.dice[0] for dice in self.dice]

    def kept(self) -> list[float]:
        """Return the gain of every candidate elsewhere."""
        return [dice - self.other[0] for dice in self.other]

    def gain(self, candidate: Candidate) -> float:
        """Return the gain of one candidate."""
        return self.gains()[self.candidates.index(candidate)]


def described(among: Sequence[Candidate], values: Sequence[float]) -> str:
    """Return values by share, for every threshold in turn."""
    shares = sorted({candidate.share for candidate in among})
    return ", ".join(
        f"{share:g}: "
        + " ".join(f"{v:+.3f}" for c, v in zip(among, values, strict=True) if c.share == share)
        for share in shares
    )


class Bench:
    """A network, a hospital's images and settings."""

    def __init__(self, subject: Subject, settings: FineTuneSettings) -> None:
        self.subject = subject
        self.settings = settings
        self.plan = choose_plan("cpu")

    def trial(
        self, hospital: Hospital, seed: int, count: int, order: str, other: Hospital | None
    ) -> Trial:
        """Fine-tune on some images and look at the rest."""
        settings = dataclasses.replace(self.settings, seed=seed)
        picked, rest = hospital.pick(count, seed, order)
        planes = [hospital.planes[at] for at in picked]
        began = time.process_time()
        maker = ViewMaker(self.subject.card, seed)
        network = self.subject.network()
        source: Source = (
            FreshViews(planes, maker, torch.device("cpu"))
            if settings.mode == "full"
            else result_of(
                cache_views(
                    planes, network, maker, self.plan,
                    CacheLimits(settings.views, _NO_LIMIT, _NO_LIMIT),
                    trained_levels(network, settings),
                )
            )
        )  # fmt: skip
        learner = Learner(network, settings)
        groups = [hospital.groups[at] for at in picked]
        full = [bool(item[3:-1].any()) for item in planes]
        learner.empty_overlap = empty_overlap(full)
        among = candidates(settings, self.subject.card.threshold)
        chosen, learned, test = self._learned(learner, source, groups, full, among)
        seconds = time.process_time() - began
        thresholds = tuple(dict.fromkeys(candidate.threshold for candidate in among))
        shown = tuple(Candidate(0.0, threshold) for threshold in thresholds) + among
        dice, elsewhere = {}, {}
        for share in {candidate.share for candidate in shown}:
            learner.load(learner.mixed(share, learned))
            dice[share] = hospital.dice(network, rest, thresholds)
            if other is not None:
                elsewhere[share] = other.dice(network, range(len(other.planes)), thresholds)
        return Trial(
            hospital=hospital.name,
            seed=seed,
            corrections=len(picked),
            rest=len(rest),
            candidates=shown,
            dice=tuple(dice[c.share][c.threshold] for c in shown),
            other=tuple(elsewhere[c.share][c.threshold] for c in shown) if other else (),
            chosen=chosen,
            tested_gain=test.dice.difference.value,
            selected=judge(test)[0],
            cpu_seconds=seconds,
        )

    def _learned(
        self,
        learner: Learner,
        source: Source,
        groups: Sequence[int],
        full: Sequence[bool],
        among: Sequence[Candidate],
    ) -> tuple[Candidate, State, Compared]:
        """Return what cross-validation on the corrections chooses, the rounds' mean, and its test.

        As in `finetuning.run`, every fold is tested with what the other folds choose.
        """
        averages: list[State] = []
        folds = make_folds(range(len(groups)), groups)
        division = Division(tuple(range(len(groups))), (), folds, tuple(groups), "")
        parts = learning_parts(division, full, self.settings.folds_left_out)
        for number, part in enumerate(parts, start=1):
            learner.restart(number)
            _learn(learner, source, balanced(part.training, full), self.settings.steps)
            averages.append(learner.average)
        tested = [(fold.hold_out, left_out_by(parts, fold)) for fold in folds]
        tested = [(held, unseen) for held, unseen in tested if unseen]
        tables: list[NDArray[np.float64]] = []
        for held, unseen in tested:
            mean = mean_state([averages[at] for at in unseen])
            rows = []
            for candidate in among:
                learner.load(learner.mixed(candidate.share, mean))
                rows.append(dice_of(examine(source, learner.network, held), candidate.threshold))
            tables.append(np.stack(rows))
        members = [at for held, _ in tested for at in held]
        learner.load(learner.start)
        before = dice_of(examine(source, learner.network, members), self.subject.card.threshold)
        speaking = [
            table[:, [full[at] for at in held]]
            for table, (held, _) in zip(tables, tested, strict=True)
        ]
        after = [
            table[among.index(choose([*speaking[:at], *speaking[at + 1 :]], among))]
            for at, table in enumerate(tables)
        ]
        pairs = [
            ImagePair(str(at), groups[at], (old,) * len(SCORES), (new,) * len(SCORES), full[at])
            for at, old, new in zip(members, before, np.concatenate(after), strict=True)
        ]
        return choose(speaking, among), mean_state(averages), compare(pairs, len(tables), "")


def _learn(learner: Learner, source: Source, members: Sequence[int], steps: int) -> None:
    for step in range(steps):
        learner.step(source, members, step / steps)


def main() -> None:
    """Run the trials and print them and their means."""
    options = _parser().parse_args()
    subject = Subject.load(options.model)
    settings = _settings(options)
    bench = Bench(subject, settings)
    other = read_hospital(subject, options.other, "", options.most) if options.other else None
    print(f"{subject.card.name}, {settings}")
    trials: list[Trial] = []
    for trial in _trials(bench, options, other):
        trials.append(trial)
        print(trial.line(), flush=True)
    mean = np.asarray([trial.gains() for trial in trials]).mean(axis=0)
    print("mean", described(trials[0].candidates, mean.tolist()))
    print(f"mean of the chosen {np.mean([t.gain(t.chosen) for t in trials]):+.4f}")
    handed = [t.gain(t.chosen) if t.selected else 0.0 for t in trials]
    print(f"mean of what is selected, else 0: {np.mean(handed):+.4f}, worst {min(handed):+.3f}")
    if options.json is not None:
        text = json.dumps([dataclasses.asdict(trial) for trial in trials], indent=1)
        options.json.write_text(text, encoding="utf-8")


def _trials(bench: Bench, options: argparse.Namespace, other: Hospital | None) -> Iterator[Trial]:
    for name in options.hospitals.split(","):
        hospital = read_hospital(bench.subject, options.data, name, options.most)
        for seed in options.seeds.split(","):
            yield bench.trial(hospital, int(seed), options.corrections, options.order, other)


def _settings(options: argparse.Namespace) -> FineTuneSettings:
    changes: dict[str, Any] = {}
    for entry in options.set or ():
        key, _, value = entry.partition("=")
        changes[key] = (
            json.loads(value)
            if not value.startswith("(")
            else tuple(json.loads(f"[{value[1:-1]}]"))
        )
    return dataclasses.replace(make_settings(options.mode), **changes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="PolypGen's images and masks")
    parser.add_argument("--model", default="polyp")
    parser.add_argument("--hospitals", default="C1,C2,C3,C4,C5,C6")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--corrections", type=int, default=8)
    parser.add_argument("--most", type=int, default=60, help="images per hospital to test on")
    parser.add_argument("--mode", default="quick")
    parser.add_argument("--order", choices=("random", "queue"), default="random")
    parser.add_argument("--other", type=Path, help="images of the domain that may be forgotten")
    parser.add_argument("--set", action="append", help="a setting, such as steps=60")
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    main()
