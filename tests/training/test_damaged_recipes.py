"""Recipes with any value anywhere are settings or are refused in a sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given

from ds2net_training.settings import read_recipe, settings_from_dict
from napari_ds2net.cli.recipes import known_recipes
from napari_ds2net.errors import DS2NetError
from tests.damage import altered, bounded, damaged

TEXT = known_recipes()["polyp"].read_text(encoding="utf-8")


@bounded
@given(altered(tomllib.loads(TEXT)))
def test_altered_values(whole: dict[str, Any]) -> None:
    try:
        settings_from_dict(whole)
    except DS2NetError as error:
        assert str(error)


def test_damaged_bytes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"

    @bounded
    @given(damaged(TEXT.encode()))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read_recipe(path)
        except DS2NetError as error:
            assert str(error)

    check()
