"""The small buttons: a model's card, a model from a file, where to compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pytestqt.qtbot import QtBot

from napari_ds2net.engine import load_settings
from napari_ds2net.engine.model_jobs import ModelImported
from napari_ds2net.errors import CheckpointError
from napari_ds2net.gui import side_actions
from napari_ds2net.gui.dialogs import CardDialog, EngineDialog, card_html
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.widgets import SegmentWidget
from napari_ds2net.library import ModelEntry, ModelLibrary, bundled_names
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import NetworkConfig
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import click, settle


def dialog(panel: SegmentWidget, kind: type[Any]) -> Any:
    found = [each for each in panel.findChildren(kind) if each.isVisible()]
    assert len(found) == 1
    return found[0]


def chooses(path: Path) -> Callable[[object], Path]:
    """Stand in for a person who chooses a file."""

    def ask(parent: object) -> Path:
        return path

    return ask


def test_the_card_is_one_click_away(qtbot: QtBot, panel: SegmentWidget) -> None:
    click(qtbot, panel, "card_button")
    text = dialog(panel, CardDialog).text.toPlainText()
    card = ModelLibrary().entry(panel.model).card
    assert card.description in text
    assert card.training_data[0].name in text
    assert card.licence in text
    dialog(panel, CardDialog).reject()


def entry(folder: Path, name: str, scores: dict[str, Any]) -> ModelEntry:
    """Describe a model without building a network, for no torch is loaded here."""
    (folder / name).touch()
    card = ModelCard(name=name, scores=scores)
    return ModelEntry(name, folder / name, NetworkConfig(), card, bundled=False)


def test_a_model_without_a_score_of_its_own_says_so(tmp_path: Path) -> None:
    of_recipe = {"held out with seed 1": {"squares": {"images": 3, "dice": [0.5, 0.4, 0.6]}}}
    scores = {"validation_images": 0, "epoch": 4, "same_recipe": of_recipe}
    whole = entry(tmp_path, "all", scores)
    part = entry(tmp_path, "part", {"validation_images": 3})
    library = MagicMock(spec=ModelLibrary)
    library.list.return_value = [whole, part]
    models = ModelList(library)
    assert "No score of its own: it learned from all images" in models.tip("all")
    assert "score" not in models.tip("part")
    shown = card_html(whole)
    assert "none of its own: it learned from all images" in shown
    assert "a network that had not learned from these 3 images of squares" in shown
    assert "dice 0.5 [0.4, 0.6]" in shown
    odd = entry(tmp_path, "odd", {"same_recipe": {"held out": 3, "by whom": {"x": "?"}}})
    assert "same recipe" not in card_html(odd)


def test_a_model_that_is_added_is_chosen(
    qtbot: QtBot,
    panel: SegmentWidget,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = bundled_names()[0]
    source = ModelLibrary().find(name)
    monkeypatch.setattr(side_actions, "ask_for_model_file", chooses(source))

    def imports(path: str, root: str) -> Any:
        assert Path(path) == source
        yield from ()
        folder = Path(root)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mine.safetensors").write_bytes(source.read_bytes())
        return ModelImported("mine")

    engine.replaced["import_model"] = imports
    click(qtbot, panel, "import_button")
    settle(qtbot, lambda: panel.model == "mine")
    assert "'mine' is in your library" in panel.status_label.text()


def test_a_file_that_is_no_model_is_refused_in_words(
    qtbot: QtBot,
    panel: SegmentWidget,
    engine: ThreadEngine,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(side_actions, "ask_for_model_file", chooses(Path("holiday.jpg")))

    def refuses(*_: str) -> Any:
        yield from ()
        raise CheckpointError("holiday.jpg is no network; expected a .safetensors file.")

    engine.replaced["import_model"] = refuses
    before = panel.model
    click(qtbot, panel, "import_button")
    settle(qtbot, lambda: bool(told))
    assert told == ["holiday.jpg is no network; expected a .safetensors file."]
    assert panel.model == before


def test_the_scheduler_is_kept_and_the_engine_started_anew(
    qtbot: QtBot, panel: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarted: list[str] = []
    monkeypatch.setattr(
        panel.side_actions, "_restart_engine", lambda: restarted.append("restarted")
    )
    click(qtbot, panel, "preferences_button")
    shown = dialog(panel, EngineDialog)
    shown.address.setText("tcp://127.0.0.1:8786")
    shown.accept()
    assert load_settings().scheduler_address == "tcp://127.0.0.1:8786"
    assert restarted == ["restarted"]


def test_an_address_that_is_none_is_said_and_nothing_is_kept(
    qtbot: QtBot, panel: SegmentWidget, told: list[str]
) -> None:
    click(qtbot, panel, "preferences_button")
    shown = dialog(panel, EngineDialog)
    shown.address.setText("the big server")
    shown.accept()
    assert "'the big server'" in told[-1]
    assert load_settings().scheduler_address is None
    dialog(panel, EngineDialog).reject()
