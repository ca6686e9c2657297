from __future__ import annotations

import pytest

from napari_ds2net.errors import SettingsError
from napari_ds2net.library.names import check_name, nearest_names, same_name, unknown_name


@pytest.mark.parametrize("name", ["polyp", "my-polyp-2", "V1.2_b", "7", "a" * 64])
def test_ordinary_names_are_kept(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "../polyp",
        "a/b",
        "a\\b",
        ".hidden",
        "-x",
        "a.",
        "é",
        "a" * 65,
        "con",
        "NUL.x",
    ],
)
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the name of a model"):
        check_name(name)


def test_capitals_make_no_other_name() -> None:
    assert same_name("Polyp", "polyp")
    assert not same_name("polyp", "polyps")


def test_nearest_names_come_first() -> None:
    known = ("polyp", "breast-ultrasound", "nuclei")
    assert nearest_names("Polip", known)[0] == "polyp"
    assert nearest_names("ultrasound", known) == ["breast-ultrasound"]
    assert nearest_names("zzz", known) == []


def test_an_unknown_name_is_answered_with_what_there_is() -> None:
    assert "Did you mean 'nuclei'?" in unknown_name("nucleus", ("polyp", "nuclei"))
    assert "the models are polyp, nuclei" in unknown_name("zzz", ("polyp", "nuclei"))
    assert "no models are installed" in unknown_name("polyp", ())
