from __future__ import annotations

import pytest

from napari_ds2net.errors import ImageError, image_errors, reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad  header:\n  at 7."), "bad header: at 7"),
        (KeyError(), "KeyError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("..."), "ValueError"),
    ],
)
def test_the_reason_is_one_line_or_the_type(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_an_error_that_quotes_a_file_is_cut_short() -> None:
    reason = reason_of(ValueError("x" * 5000))

    assert len(reason) == 200
    assert reason.endswith("x…")


def test_whatever_is_raised_becomes_a_sentence() -> None:
    with (
        pytest.raises(ImageError, match=r"^a\.tif cannot be read \(no end\)\.$") as found,
        image_errors(lambda reason: f"a.tif cannot be read ({reason})."),
    ):
        raise ValueError("no end.")

    assert isinstance(found.value.__cause__, ValueError)


def test_a_sentence_stays_as_it_is() -> None:
    with (
        pytest.raises(ImageError, match=r"^It is too large\.$"),
        image_errors(lambda reason: f"It cannot be read ({reason})."),
    ):
        raise ImageError("It is too large.")
