"""Fine-tuning that learns from images without a correction, too."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from ds2net_training.finetuning import preparing
from ds2net_training.finetuning.caching import cache_views
from ds2net_training.finetuning.events import (
    Compared,
    CorrectionsRead,
    Estimated,
    FeaturesCached,
    Prepared,
    StepDone,
    SteppedDown,
    UnlabelledRead,
    Validated,
)
from ds2net_training.semi.embedding import Said, listening
from ds2net_training.semi.objective import Labelled, Seen, SemiObjective
from ds2net_training.semi.settings import SemiSettings
from ds2net_training.semi.smoothness import soft_dice_loss
from napari_ds2net.errors import DatasetError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import load_checkpoint
from tests.training.finetune_cases import SETTINGS, draw_corrections, make_library, run

QUICK = dataclasses.replace(SETTINGS, steps=2, views=1)
SEMI = dataclasses.replace(QUICK, mode="semi", semi=SemiSettings(weight=1.0, every=1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_corrections(tmp_path_factory.mktemp("corrections"), count=2)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images without a correction, one of them twice, and the two that have one."""
    folder = draw_corrections(tmp_path_factory.mktemp("others"), count=6, seed=9)
    corrected = draw_corrections(folder / "again", count=2)
    for path in (corrected / "images").iterdir():
        path.rename(folder / "images" / f"corrected {path.name}")
    shutil.copy(folder / "images/3.png", folder / "images/3 again.png")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    return make_library(tmp_path)


def state(library: ModelLibrary, name: str) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(library.find(name)).state)


def same(library: ModelLibrary, one: str, two: str) -> bool:
    first, second = state(library, one), state(library, two)
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_time_is_told_before_it_learns_and_corrected_images_are_left_out(
    library: ModelLibrary, data: Path, others: Path
) -> None:
    events, result = run(library, data, settings=SEMI, unlabelled=[others])
    kinds = list(dict.fromkeys(type(event) for event in events))
    assert kinds == [
        CorrectionsRead, UnlabelledRead, FeaturesCached, Prepared, Estimated, StepDone, Validated,
        Compared,
    ]  # fmt: skip
    assert next(e for e in events if isinstance(e, Prepared)).unlabelled == 6
    told = next(e for e in events if isinstance(e, Estimated))
    assert (told.rounds, told.steps, told.unlabelled) == (2, SEMI.steps, 6)
    assert told.step_seconds > 0
    assert told.seconds == told.wanted_seconds > 2 * SEMI.steps * told.step_seconds
    assert told.sentence.startswith("With 6 images without a correction a step takes")
    assert result.card.recipe["unlabelled"] == 6
    assert result.card.recipe["fine_tuning"]["semi"]["weight"] == 1.0


def test_a_short_time_is_said_to_be_enough_for_fewer_steps() -> None:
    told = Estimated(
        step_seconds=0.512, rounds=2, steps=20, wanted_rounds=4, wanted_steps=60, seconds=47.0,
        wanted_seconds=130.0, unlabelled=1,
    )  # fmt: skip
    assert told.sentence == (
        "With 1 image without a correction a step takes 0.51 s on this computer: about 47 s for 2 "
        "rounds of 20 steps. 4 rounds of 60 steps would take about 2.2 min; give it more minutes "
        "for them."
    )


def test_without_weight_it_is_quick_fine_tuning_bit_by_bit(
    library: ModelLibrary, data: Path, others: Path
) -> None:
    none = dataclasses.replace(SEMI, semi=SemiSettings(weight=0.0, every=2))
    run(library, data, "quick", QUICK)
    run(library, data, "semi", none, unlabelled=[others])
    assert same(library, "quick", "semi")


def test_without_other_images_smoothness_of_the_corrections_is_left(
    library: ModelLibrary, data: Path, tmp_path: Path
) -> None:
    only = SemiSettings(weight=1.0, compactness_weight=0.0, radius_rms=0.2, every=1)
    (tmp_path / "none").mkdir()
    settings = dataclasses.replace(SEMI, semi=only)
    events, _ = run(library, data, "semi", settings, unlabelled=[tmp_path / "none"])
    assert next(e for e in events if isinstance(e, Prepared)).unlabelled == 0
    still = dataclasses.replace(SEMI, semi=dataclasses.replace(only, radius_rms=0.0))
    run(library, data, "still", still, unlabelled=[tmp_path / "none"])
    run(library, data, "quick", QUICK)
    quick, still_weights = state(library, "quick"), state(library, "still")
    assert all(torch.allclose(v, still_weights[n], atol=1e-5) for n, v in quick.items())
    assert not same(library, "quick", "semi")


def test_other_images_change_the_network_and_the_seed_decides_how(
    library: ModelLibrary, data: Path, others: Path
) -> None:
    settings = dataclasses.replace(SEMI, steps=1)
    for name, folders in (("one", [others]), ("two", [others]), ("without", [])):
        run(library, data, name, settings, unlabelled=folders)
    assert same(library, "one", "two")
    assert not same(library, "one", "without")


def test_as_published_the_image_is_perturbed_and_every_weight_learns(
    library: ModelLibrary, data: Path, others: Path
) -> None:
    settings = dataclasses.replace(SEMI, semi=SemiSettings.as_released())
    events, _ = run(library, data, settings=settings, unlabelled=[others])
    assert not any(isinstance(event, FeaturesCached) for event in events)
    assert next(e for e in events if isinstance(e, Prepared)).unlabelled == 6
    before, after = state(library, "tiny"), state(library, "new")
    stem = next(n for n in before if n.startswith("encoder.") and n.endswith("conv_stem.weight"))
    assert not torch.equal(before[stem], after[stem])
    assert all(torch.equal(v, after[n]) for n, v in before.items() if "running" in n)


def test_less_memory_means_fewer_other_images_and_is_said(
    library: ModelLibrary, data: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(items: list[Any], *rest: Any) -> Any:
        if len(items) > 4:
            raise MemoryError
        return cache_views(items, *rest)

    monkeypatch.setattr(preparing, "cache_views", small)
    settings = dataclasses.replace(SEMI, steps=1)
    events, _ = run(library, data, settings=settings, unlabelled=[others])
    (told,) = [e for e in events if isinstance(e, SteppedDown)]
    assert "going on with 4 of them" in told.reason
    assert next(e for e in events if isinstance(e, Prepared)).unlabelled == 4


def test_a_folder_that_is_not_there_is_a_sentence(library: ModelLibrary, data: Path) -> None:
    with pytest.raises(DatasetError, match="expected a folder of images"):
        run(library, data, settings=SEMI, unlabelled=[data / "nowhere"])


# -------------------------------------------------------------- does it help at all?


_STEPS = 50


class Plain(nn.Module):
    """A small convolutional network that can learn too much from five images."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2), nn.ReLU()
        )
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        said: torch.Tensor = self.head(self.body(image))
        return said


def draw(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Discs, a little brighter than a noisy ground: images and masks (N, 1, 20, 20)."""
    drawn = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    centre = 6 + 8 * torch.rand(count, 2, 1, 1, generator=drawn)
    mask = ((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2 < 20).float()[:, None]
    noise = torch.randn(count, 1, 20, 20, generator=drawn)
    return mask * 1.2 + noise, mask


def learn(seed: int, weight: float) -> float:
    """Return soft Dice on other images of a network that saw 5 masks and 50 more images."""
    torch.manual_seed(seed)
    network = Plain()
    images, masks = draw(5, seed)
    others, _ = draw(50, 100 + seed)
    settings = SemiSettings(weight=weight, perturbed="image", radius_rms=0.2)
    objective = SemiObjective(8, 1, settings, 0.5, seed, torch.device("cpu"))
    weights = [*network.parameters(), *objective.heads.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-2)

    def forward(inputs: list[torch.Tensor]) -> Said:
        with listening(network) as heard:
            logit = network(inputs[0])
        return Said(logit, heard.embedding())

    for step in range(_STEPS):
        said = forward([images])
        loss = functional.binary_cross_entropy_with_logits(said.logit, masks)
        if weight > 0:
            batch = others[[(5 * step + k) % 50 for k in range(5)]]
            truth = Labelled(masks, torch.ones_like(masks))
            unlabelled = Seen([batch], forward([batch]))
            loss = loss + objective.loss(
                forward, Seen([images], said), truth, unlabelled, step / _STEPS
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    held, true = draw(40, 999)
    with torch.no_grad():
        found = (network(held) > 0).float()
    return 1 - soft_dice_loss(found, true).item()


def test_other_images_help_where_masks_are_few() -> None:
    alone, beside = ([learn(seed, weight) for seed in range(3)] for weight in (0.0, 1.0))
    assert sum(beside) / 3 >= sum(alone) / 3
