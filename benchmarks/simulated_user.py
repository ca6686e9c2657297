"""What a user gains by correcting: the loop of the plugin with true masks for corrections.

    python -m benchmarks.simulated_user --data POLYPGEN --other KVASIR [--hospitals C5,C2]

The simulated user segments the images of a hospital, takes them in the order of the queue or at
random, replaces each mask by the true one, accepts it, and fine-tunes after 4, 8, 16 and 32 images,
each time from the network that is selected, exactly as the window does: one workspace, one library,
`finetune_steps`, and a new network only where it was better on corrections that it did not learn
from. After each fine-tuning the selected network is measured on the hospital's other images and on
the domain that it came from, and so is the one that was just made where it was not selected. For a
change of modality take ``--data BUSI --hospitals all``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.hospitals import hospital_of
from ds2net_training.dataset import Pair, find_pairs, load_mask
from ds2net_training.finetuning.events import FineTuneResult
from ds2net_training.finetuning.finetune import finetune_steps
from ds2net_training.finetuning.settings import make_settings
from ds2net_training.metrics import dice
from ds2net_training.ranking import rank_steps
from napari_ds2net.api import load_model
from napari_ds2net.core.files import read_image
from napari_ds2net.core.inference import predict
from napari_ds2net.errors import DatasetError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.steps import result_of
from napari_ds2net.workspace import SourceInfo, Workspace

ROUNDS = (4, 8, 16, 32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The selected network after so many corrections; 0 is the start.

    `offered` and `offered_other` are Dice of the network that was made and not selected, and
    `verdict` is what its test said.
    """

    hospital: str
    order: str
    seed: int
    corrections: int
    selected: str
    dice: float
    other: float
    seconds: float
    offered: float | None = None
    offered_other: float | None = None
    verdict: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """Who corrects: a model to start from, images, and a way to choose among them."""

    model: str
    mode: str
    order: str
    seed: int
    folder: Path
    minutes: float | None = None
    rounds: Sequence[int] = ROUNDS

    def work(
        self, name: str, pool: Sequence[Pair], rest: Sequence[Pair], other: Sequence[Pair]
    ) -> Iterator[Line]:
        """Correct and fine-tune until the images are used up."""
        library = ModelLibrary(self.folder / "models")
        workspace = Workspace.open(self.folder / "workspace")
        selected, left = str(library.find(self.model)), list(pool)
        seconds, done = 0.0, 0
        for wanted in (0, *self.rounds):
            if wanted > len(pool):
                return
            for pair in self._next(left, wanted - done, selected):
                left.remove(pair)
                mask = (load_mask(pair.mask) != 0).astype(np.uint8)
                workspace.accept(read_image(pair.image), mask, source=SourceInfo(path=pair.image))
            done = wanted
            made: FineTuneResult | None = None
            if wanted:
                try:
                    made = self._fine_tune(selected, workspace.folder, f"after-{wanted}", library)
                except DatasetError as error:  # nothing to learn from yet: the user goes on
                    print(error)
                else:
                    selected = made.path if made.is_better else selected
                    seconds = made.seconds
            left_out = None if made is None or made.is_better else made.path
            yield Line(
                hospital=name,
                order=self.order,
                seed=self.seed,
                corrections=wanted,
                selected=Path(selected).stem,
                dice=mean_dice(selected, rest),
                other=mean_dice(selected, other),
                seconds=seconds,
                offered=None if left_out is None else mean_dice(left_out, rest),
                offered_other=None if left_out is None else mean_dice(left_out, other),
                verdict="" if made is None else made.verdict,
            )

    def _next(self, left: Sequence[Pair], count: int, selected: str) -> list[Pair]:
        """Return the images that are corrected next."""
        if self.order == "random":
            chosen = np.random.default_rng((self.seed, len(left))).permutation(len(left))
            return [left[at] for at in chosen[:count].tolist()]
        if count == 0:
            return []
        loaded = load_model(selected, "cpu")
        by_path = {pair.image: pair for pair in left}
        steps = rank_steps(list(by_path), loaded.network, loaded.card, loaded.plan)
        return [by_path[image.path] for image in result_of(steps)[:count]]

    def _fine_tune(
        self, parent: str, data: Path, name: str, library: ModelLibrary
    ) -> FineTuneResult:
        settings = make_settings(self.mode, minutes=self.minutes, seed=self.seed)
        steps = finetune_steps(parent, data, name, settings, device="cpu", library=library)
        return result_of(steps)


def mean_dice(model: str, pairs: Sequence[Pair]) -> float:
    """Return the mean Dice of the masks that a user would get, at the images' own size."""
    loaded = load_model(model, "cpu")
    scores = [
        dice(
            predict(read_image(pair.image), loaded.network, loaded.card, loaded.plan).mask != 0,
            load_mask(pair.mask) != 0,
        )
        for pair in pairs
    ]
    return float(np.mean(scores)) if scores else float("nan")


def main() -> None:
    """Let every user work on every hospital, and print each line as it comes."""
    options = _parser().parse_args()
    other = _some(find_pairs(options.other), options.most, 1)
    lines: list[Line] = []
    for name in options.hospitals.split(","):
        everything = find_pairs(options.data)
        pairs = [p for p in everything if name == "all" or hospital_of(p.name) == name]
        for seed in (int(text) for text in options.seeds.split(",")):
            mixed = _some(pairs, len(pairs), seed)
            rest, pool = mixed[: options.most], mixed[options.most :][: options.pool]
            for order in options.orders.split(","):
                with tempfile.TemporaryDirectory() as folder:
                    user = User(
                        options.model, options.mode, order, seed, Path(folder), options.minutes,
                        [int(count) for count in options.rounds.split(",")],
                    )  # fmt: skip
                    began = time.monotonic()
                    for line in user.work(name, pool, rest, other):
                        lines.append(line)
                        print(f"{time.monotonic() - began:6.0f} s {line}", flush=True)
    if options.json is not None:
        text = json.dumps([dataclasses.asdict(line) for line in lines], indent=1)
        options.json.write_text(text, encoding="utf-8")


def _some(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    order = np.random.default_rng(seed).permutation(len(pairs))
    return [pairs[at] for at in order[:count].tolist()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The loop with a simulated user.")
    parser.add_argument("--data", type=Path, required=True, help="images and masks to correct")
    parser.add_argument("--other", type=Path, required=True, help="the domain it came from")
    parser.add_argument("--model", default="polyp")
    parser.add_argument("--mode", default="quick")
    parser.add_argument("--minutes", type=float, help="time of a fine-tuning; the mode's if unset")
    parser.add_argument("--hospitals", default="C2,C5,C6")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--orders", default="queue,random")
    parser.add_argument("--rounds", default=",".join(map(str, ROUNDS)), help="corrections")
    parser.add_argument("--most", type=int, default=60, help="images to test on")
    parser.add_argument("--pool", type=int, default=100, help="images to correct some of")
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    main()
