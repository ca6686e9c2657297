from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from napari_ds2net.cli import checks, doctor
from napari_ds2net.cli.checks import Finding
from napari_ds2net.library import ModelLibrary

Run = Callable[..., Result]


def lines(found: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


def test_versions_are_those_installed() -> None:
    found = lines(checks.versions())
    assert found["torch"].value == importlib.metadata.version("torch")
    assert not any(finding.problem for finding in found.values())


def test_a_missing_library_is_a_problem_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED", ("no-such-distribution",))
    assert (
        "pip install no-such-distribution"
        in lines(checks.versions())["no-such-distribution"].problem
    )


def test_the_computer_is_described() -> None:
    found = lines(checks.computer())
    assert {"processor", "cores", "devices", "chosen", "memory", "free disk space"} <= set(found)
    assert found["devices"].value.startswith("cpu")
    assert "float" in found["chosen"].value


def test_damaged_models_are_problems(tmp_path: Path) -> None:
    root = ModelLibrary().root
    root.mkdir(parents=True)
    (root / "broken.safetensors").write_text("?")
    found = lines(checks.library())
    assert "not a network's file" in found["broken.safetensors"].problem
    assert found["your models"].problem == ""


def test_a_library_that_cannot_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DS2NET_HOME", str(tmp_path / "file" / "home"))
    assert "set DS2NET_HOME" in lines(checks.library())["your models"].problem


def test_bundled_models_find_what_was_drawn_for_them() -> None:
    found = lines(checks.bundled_models())
    assert set(found) == set(ModelLibrary().names())
    for finding in found.values():
        assert finding.problem == ""
        assert finding.value.startswith("OK")


def test_a_model_that_finds_nothing_is_a_problem(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "polyp.safetensors").write_bytes(tiny_file.read_bytes())
    monkeypatch.setattr("napari_ds2net.library.store.BUNDLED_FOLDER", bundled)
    torch.manual_seed(0)
    found = lines(checks.bundled_models())
    assert "misses the object" in found["polyp"].problem


def test_problems_end_with_1_and_say_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def good() -> Iterator[Finding]:
        yield Finding("disk", "there")

    def bad() -> Iterator[Finding]:
        yield Finding("disk", "full", "Free some space.")

    monkeypatch.setattr(doctor, "SECTIONS", (("Good", good),))
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "All is well."
    monkeypatch.setattr(doctor, "SECTIONS", (("Good", good), ("Bad", bad)))
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stderr == "Problem: Free some space.\n"
    assert "All is well." not in result.stdout
