"""Fine-tuning learns from what was reviewed, is honest about it, and leaves nothing half done."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ds2net_training.finetuning.choice import Candidate, DiceTable, choose
from ds2net_training.finetuning.events import (
    Compared,
    CorrectionsRead,
    FeaturesCached,
    Prepared,
    StepDone,
    SteppedDown,
    Validated,
)
from ds2net_training.finetuning.finetune import finetune_steps
from ds2net_training.finetuning.settings import StopFile, make_settings
from ds2net_training.losses import Target, deep_supervision_loss
from ds2net_training.settings import LossSettings
from napari_ds2net.errors import DatasetError, SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network import load_checkpoint
from napari_ds2net.network.ds2net import DS2Net
from napari_ds2net.steps import Steps
from napari_ds2net.workspace import SourceInfo, Workspace, content_hash
from tests.training.finetune_cases import SETTINGS, draw_corrections, make_library, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_corrections(tmp_path_factory.mktemp("corrections"))


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    return make_library(tmp_path)


def test_events_tell_the_whole_story_and_the_card_remembers_it(
    library: ModelLibrary, data: Path
) -> None:
    events, result = run(library, data)
    kinds = list(dict.fromkeys(type(event) for event in events))
    assert kinds == [CorrectionsRead, FeaturesCached, Prepared, StepDone, Validated, Compared]
    prepared = next(e for e in events if isinstance(e, Prepared))
    assert (prepared.corrections, prepared.folds, prepared.hold_out) == (4, 4, ())
    assert "With 4 corrections" in prepared.advice
    entry = library.entry("new")
    card = entry.card
    assert (entry.path, card) == (Path(result.path), result.card)
    assert (card.parent, card.input_size, card.licence) == ("tiny", (64, 64), "as you like")
    noted = {entry["content_hash"] for entry in card.recipe["corrections"]}
    images = [np.asarray(Image.open(path)) for path in (data / "images").iterdir()]
    assert noted == {content_hash(image) for image in images} == set(card.recipe["learned"])
    assert card.training_data[-1].images == 4
    assert card.scores["dice_before"][0] == pytest.approx(
        result.comparison.dice.before.value if result.comparison else None, abs=1e-4
    )
    assert "torch" in card.versions
    assert card.created


def test_the_finer_levels_stay_in_quick_and_everything_changes_in_full(
    library: ModelLibrary, data: Path
) -> None:
    run(library, data, "quick")
    run(library, data, "full", dataclasses.replace(SETTINGS, mode="full", steps=2))
    states = {name: load_checkpoint(library.find(name)).state for name in library.names()}
    for name, value in states["tiny"].items():
        number = re.match(r"encoder\.body\.blocks\.(\d)", name)
        is_finer = name.startswith("encoder.") and not (number and int(number[1]) >= 3)
        if is_finer or "running" in name:
            assert torch.equal(value, states["quick"][name]), name
    for part in ("encoder.", "heads."):
        names = [name for name in states["tiny"] if name.startswith(part) and "weight" in name]
        assert any(not torch.equal(states["tiny"][n], states["full"][n]) for n in names), part


def test_the_whole_encoder_stays_where_quick_trains_the_decoder(
    library: ModelLibrary, data: Path
) -> None:
    run(library, data, "frozen", dataclasses.replace(SETTINGS, encoder_levels=0))
    before, after = (load_checkpoint(library.find(name)).state for name in ("tiny", "frozen"))
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert not any(name.startswith(("encoder.", "laterals.")) for name in changed)


@pytest.mark.parametrize("kind", ["folder", "workspace"])
def test_a_wrong_label_outside_the_reviewed_region_changes_nothing(
    kind: str, library: ModelLibrary, tmp_path: Path
) -> None:
    for name, is_wrong in (("right", False), ("wrong", True)):
        folder = draw_corrections(tmp_path / name)
        (folder / "reviewed").mkdir()
        reviewed = np.zeros((64, 64), np.uint8)
        reviewed[:, :40] = 255
        for path in (folder / "masks").iterdir():
            Image.fromarray(reviewed).save(folder / "reviewed" / path.name)
            if is_wrong:
                mask = np.asarray(Image.open(path)).copy()
                mask[:, 40:] = 255 - mask[:, 40:]
                Image.fromarray(mask).save(path)
        run(library, accepted(folder) if kind == "workspace" else folder, name)
    right, wrong = (load_checkpoint(library.find(name)) for name in ("right", "wrong"))
    assert all(torch.equal(value, wrong.state[name]) for name, value in right.state.items())
    assert right.card.scores == wrong.card.scores
    assert any(
        not torch.equal(v, load_checkpoint(library.find("tiny")).state[n])
        for n, v in right.state.items()
    )


def test_the_same_seed_gives_the_same_network(library: ModelLibrary, data: Path) -> None:
    for name in ("one", "two"):
        run(library, data, name)
    one, two = (load_checkpoint(library.find(name)).state for name in ("one", "two"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_network_that_is_not_better_is_kept_but_not_to_be_selected(
    library: ModelLibrary, data: Path
) -> None:
    wild = dataclasses.replace(SETTINGS, learning_rate=10.0, mixing=(1.0,))
    _, result = run(library, data, settings=wild)
    assert result.comparison is not None
    dice = result.comparison.dice
    assert not (result.is_better and dice.after.value <= dice.before.value)
    still = dataclasses.replace(SETTINGS, learning_rate=1e-12)
    _, result = run(library, data, "still", still)
    assert not result.is_better
    assert "the old one stays selected" in result.verdict
    assert "still" in library.names()


def test_it_learns(library: ModelLibrary, tmp_path: Path) -> None:
    """Every weight, because this network's encoder has learned nothing that could be kept.

    With five seeds, of the network, the images and the steps, it gained 0.45 to 0.79.
    """
    data = draw_corrections(tmp_path / "more", count=6)
    settings = dataclasses.replace(
        SETTINGS, mode="full", steps=30, batch_size=3, learning_rate=1e-2, average_decay=0.9,
        mixing=(1.0,),
    )  # fmt: skip
    events, result = run(library, data, settings=settings)
    losses = [e.loss for e in events if isinstance(e, StepDone)]
    assert losses[-1] < losses[0]
    assert result.comparison is not None
    assert result.comparison.dice.difference.value > 0.2
    assert result.is_better


def test_a_name_that_was_taken_meanwhile_costs_no_network(
    library: ModelLibrary, data: Path, tmp_path: Path
) -> None:
    steps = Steps(finetune_steps("tiny", data, "new", SETTINGS, device="cpu", library=library))
    for event in steps:
        if isinstance(event, Prepared):  # another window is faster
            library.import_file(library.find("tiny"), "NEW")
    assert steps.result.name == steps.result.card.name == "new-2"
    assert {"tiny", "NEW", "new-2"} <= set(library.names())


def test_cancel_leaves_nothing_behind(library: ModelLibrary, data: Path) -> None:
    before = sorted(library.root.iterdir())
    steps = finetune_steps("tiny", data, "new", SETTINGS, device="cpu", library=library)
    for event in steps:
        if isinstance(event, StepDone):
            break
    steps.close()
    assert sorted(library.root.iterdir()) == before
    run(library, data)  # the name is still free


@pytest.mark.parametrize(
    ("after", "left_out", "learned"), [(1, 1, 3), (3, 1, 4), (1, 2, 2), (2, 2, 2), (3, 2, 4)]
)
def test_stopping_keeps_the_best_so_far(
    library: ModelLibrary, data: Path, tmp_path: Path, after: int, left_out: int, learned: int
) -> None:
    stop = StopFile(tmp_path / "stop")
    steps = Steps(
        finetune_steps(
            "tiny", data, "new", dataclasses.replace(SETTINGS, folds_left_out=left_out),
            device="cpu", library=library, should_stop=stop,
        )
    )  # fmt: skip
    seen = 0
    for event in steps:
        seen += isinstance(event, Validated)
        if seen == after:
            stop.request()
    result = steps.result
    assert result.stopped_early
    assert result.comparison is not None
    assert "new" in library.names()
    parts = {c["name"] for c in result.card.recipe["corrections"] if c["part"] == "training"}
    assert len(parts) == learned  # of the first round, whole or not, or of two whole ones
    tested = {image.name for image in result.comparison.images}
    assert tested.isdisjoint(parts) if learned < 4 else len(tested) == 2 * left_out


def test_empty_corrections_alone_are_refused_in_words(
    library: ModelLibrary, tmp_path: Path
) -> None:
    data = draw_corrections(tmp_path / "empty")
    for path in (data / "masks").iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    with pytest.raises(DatasetError, match="All 4 corrections are empty"):
        run(library, data)
    assert "new" not in library.names()


def test_empty_images_weigh_less_and_do_not_speak_for_taking_more_of_what_was_learned(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_corrections(tmp_path / "data", count=5)
    for name in ("0.png", "3.png"):
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(folder / "masks" / name)
    asked: list[int] = []

    def watched(tables: Sequence[DiceTable], among: Sequence[Candidate]) -> Candidate:
        asked.append(sum(table.shape[1] for table in tables))
        return choose(tables, among)

    weights: set[float] = set()

    def weighed(logits: Sequence[torch.Tensor], target: Target, settings: LossSettings) -> object:
        weights.add(settings.empty_overlap)
        return deep_supervision_loss(logits, target, settings)

    monkeypatch.setattr("ds2net_training.finetuning.run.choose", watched)
    monkeypatch.setattr("ds2net_training.finetuning.learner.deep_supervision_loss", weighed)
    _, result = run(library, folder, settings=dataclasses.replace(SETTINGS, steps=1))
    assert result.comparison is not None
    assert len(result.comparison.images) == 5
    assert max(asked) == 3
    assert weights == {0.5}


def test_what_a_network_has_learned_from_is_not_tested_on(
    library: ModelLibrary, tmp_path: Path
) -> None:
    first = draw_corrections(tmp_path / "data", count=4)
    run(library, first, "first")
    draw_corrections(tmp_path / "data", count=7)  # the same four, and three more
    _, result = run(library, tmp_path / "data", "second", parent="first")
    assert result.comparison is not None
    assert {image.name for image in result.comparison.images} == {"4", "5", "6"}
    assert len(result.card.recipe["learned"]) == 7


def test_ten_corrections_give_a_hold_out_that_nothing_learns_from(
    library: ModelLibrary, tmp_path: Path
) -> None:
    data = draw_corrections(tmp_path / "ten", count=10)
    events, result = run(library, data, settings=dataclasses.replace(SETTINGS, steps=1))
    prepared = next(e for e in events if isinstance(e, Prepared))
    assert prepared.folds == 0
    assert set(prepared.hold_out).isdisjoint(prepared.training)
    assert result.comparison is not None
    assert {image.name for image in result.comparison.images} == {str(n) for n in range(10)}
    assert "the others were tested on in turn, too" in result.comparison.worth
    assert len(result.card.recipe["learned"]) == len(prepared.training)


def test_a_workspace_is_learned_from_like_a_folder(
    library: ModelLibrary, data: Path, tmp_path: Path
) -> None:
    workspace = Workspace.open(accepted(data, tmp_path / "workspace"))
    events, result = run(library, workspace.folder)
    assert next(e for e in events if isinstance(e, Prepared)).corrections == 4
    hashes = {correction.content_hash for correction in workspace.corrections()}
    assert hashes == set(result.card.recipe["learned"])


def accepted(data: Path, workspace: Path | None = None) -> Path:
    """Accept the masks of a folder, and what of them was reviewed, and return the workspace."""
    kept = Workspace.open(workspace or data / "workspace")
    for path in sorted((data / "images").iterdir()):
        mask = np.asarray(Image.open(data / "masks" / path.name)) // 255
        part = data / "reviewed" / path.name
        reviewed = np.asarray(Image.open(part)) if part.exists() else None
        kept.accept(
            np.asarray(Image.open(path)), mask, source=SourceInfo(path=path), reviewed=reviewed
        )
    return kept.folder


def test_less_memory_means_smaller_steps_and_is_said(
    library: ModelLibrary, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = DS2Net.decode

    def small(self: DS2Net, features: list[torch.Tensor]) -> object:
        if len(features[0]) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return decode(self, features)

    monkeypatch.setattr(DS2Net, "decode", small)
    events, _ = run(library, data, settings=dataclasses.replace(SETTINGS, steps=1))
    (told,) = [e for e in events if isinstance(e, SteppedDown)]
    assert "2 views at once; going on with 1" in told.reason


def test_names_modes_and_empty_folders_are_refused_in_words(
    library: ModelLibrary, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="already has a model"):
        run(library, data, "tiny")
    with pytest.raises(SettingsError, match="expected quick, full or semi"):
        make_settings("slow")
    with pytest.raises(DatasetError, match="images/ and masks/"):
        run(library, tmp_path)


def test_a_viewer_imports_settings_and_events_without_torch() -> None:
    modules = "ds2net_training.finetuning.settings, ds2net_training.finetuning.events"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    path = os.pathsep.join((str(ROOT), str(ROOT / "training")))
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0
