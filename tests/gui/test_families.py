"""Which models share their corrections."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from napari_ds2net.gui.corrections import Corrections
from napari_ds2net.gui.lineage import family
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.library import ModelLibrary
from tests.gui.test_lineage import entry


@pytest.fixture
def models() -> ModelList:
    library = MagicMock(spec=ModelLibrary)
    library.list.return_value = (
        entry("polyp", None, "", bundled=True),
        entry("lesion", "polyp", "", bundled=True),
        entry("polyp-2", "polyp", "2026-11-20"),
        entry("polyp-3", "polyp-2", "2026-11-21"),
        entry("lesion-2", "lesion", "2026-11-22"),
        entry("lost", "gone", "2026-11-23"),
    )
    return ModelList(library)


@pytest.mark.parametrize(
    ("model", "root"),
    [
        ("polyp", "polyp"),
        ("polyp-3", "polyp"),
        ("lesion", "lesion"),
        ("lesion-2", "lesion"),
        ("lost", "gone"),
    ],
)
def test_heirs_share_but_models_of_the_package_keep_their_own(
    models: ModelList, model: str, root: str
) -> None:
    assert Corrections(models).root_of(model) == root


def test_a_model_of_the_package_is_no_version_of_another(models: ModelList) -> None:
    root_of = Corrections(models).root_of
    found = family(models.entries(), "polyp", root_of)
    assert [version.name for version in found] == ["polyp", "polyp-2", "polyp-3"]
    first, second = family(models.entries(), "lesion", root_of)
    assert (first.name, first.parent, second.parent) == ("lesion", "", "lesion")
