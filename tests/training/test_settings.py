"""Recipes are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from ds2net_training.schedule import rate_factor
from ds2net_training.settings import ScheduleSettings, Settings, read_recipe, settings_from_dict
from napari_ds2net.errors import SettingsError
from napari_ds2net.network import Framing

RECIPES = sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_is_read_and_comes_back_from_its_plain_values(path: Path) -> None:
    settings = read_recipe(path)
    assert settings.model.name
    assert settings_from_dict(settings.to_dict()) == settings


def test_the_bundled_and_the_papers_recipes_are_there() -> None:
    names = {path.stem for path in RECIPES}
    assert {"polyp", "breast-ultrasound", "nuclei"} <= names
    assert {"paper-polyp", "paper-breast-ultrasound", "paper-nuclei"} <= names
    assert {"polyp-m2snet", "breast-ultrasound-m2snet", "nuclei-m2snet"} <= names


def test_the_rate_of_the_m2snet_paper_rises_and_falls_by_epochs() -> None:
    schedule = ScheduleSettings(epochs=3, decay="triangular")
    factors = [rate_factor(step, 6, schedule) for step in range(6)]
    assert factors == [0.5, 0.5, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model]\nname = 'x'\ncolour = 1", "Unknown entry model.colour"),
        ("[model]\nname = 'x'\n[extra]", "Unknown entry extra"),
        ("[model]\nname = 3", "model.name is 3; expected a value of type str"),
        ("[model]\nname = 'x'\ninput_size = 100", "multiple of 16"),
        ("[model]\nname = 'x'\nframing = 'round'", "model.framing"),
        ("[model]\nname = 'x'\nmean = [1.0, 2.0]", "expected 3 values"),
        ("[model]\nname = 'x'\narchitecture = 'unet'", "one of ds2net, m2snet"),
        ("[model]\nname = 'x'\narchitecture = 'm2snet'\n[loss]\nmasks = 0.5", "M2SNet has none"),
        ("[model]\nname = 'x'\n[schedule]\nepochs = true", "schedule.epochs is True"),
        ("[model]\nname = 'x'\n[schedule]\ndecay = 'steep'", "expected one of"),
        ("[model]\nname = 'x'\n[loss]\nstride = 3", "expected 1, 2 or 4"),
        ("[model]\nname = 'x'\n[schedule]\nkeep = 'last'\npatience_epochs = 2", "expected 0"),
        ("[model]\nname = 'x'\n[data]\nvalidation_fraction = 1", "share in \\[0, 1\\)"),
        ("[model]\nname = 'x'\n[data]\nvalidation_fraction = -0.1", "share in \\[0, 1\\)"),
        (
            "[model]\nname = 'x'\n[data]\nvalidation_fraction = 0",
            "no image tells which epoch is best; set schedule.keep to 'last'",
        ),
        ("[schedule]\nepochs = 1", "not complete"),
        ("model = 3", "expected a table"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_wrong_recipe_is_told_apart(tmp_path: Path, text: str, words: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_recipe(recipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no recipe"):
        read_recipe(tmp_path / "none.toml")


def test_whole_numbers_are_taken_where_a_real_number_is_meant() -> None:
    settings = settings_from_dict(
        {"model": {"name": "x", "framing": "tiles"}, "schedule": {"learning_rate": 1}}
    )
    assert isinstance(settings, Settings)
    assert isinstance(settings.schedule.learning_rate, float)
    assert settings.model.framing is Framing.TILES
