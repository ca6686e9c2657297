"""The layers of the code, and what importing them loads."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_ds2net"
TRAINER = ROOT / "training" / "ds2net_training"
WINDOW_PACKAGES = (
    "PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "napari", "pyqtgraph", "qtpy", "superqt",
)  # fmt: skip
MOST_LINES = 400

# Run in a fresh interpreter: imports the modules named on the command line and prints what was
# asked for on the way, whether or not it is installed.
WATCH_IMPORTS = """
import importlib, sys

class Watcher:
    asked = set()
    def find_spec(self, name, path=None, target=None):
        self.asked.add(name.partition(".")[0] if path is None else name)

loaded = set(sys.modules)
sys.meta_path.insert(0, Watcher())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(Watcher.asked | set(sys.modules) - loaded), sep="\\n")
"""


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that finds both packages in the checkout."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def imported_by(*modules: str) -> set[str]:
    """Return every module that importing the given ones loads or tries to load."""
    result = run_python("-c", WATCH_IMPORTS, *modules)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def modules_below_gui() -> list[str]:
    found: list[str] = []
    for package in (PACKAGE, TRAINER):
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            if "gui" not in parts and parts[-1] not in ("__init__", "__main__"):
                found.append(".".join(parts))
    return found


def test_imports_follow_the_layers() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = run_python("-c", command, "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_part_of_the_plugin_has_a_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    layers = " ".join(contract["layers"])
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    outside = {"__init__", "__main__", "__pycache__"}
    missing = {part for part in parts - outside if f"napari_ds2net.{part})" not in layers}
    assert missing == set()


def test_importing_the_plugin_loads_only_the_standard_library() -> None:
    imported = {name.partition(".")[0] for name in imported_by("napari_ds2net")}
    assert "napari_ds2net" in imported
    assert imported - set(sys.stdlib_module_names) == {"napari_ds2net"}


@pytest.mark.parametrize("module", ["napari_ds2net.network.card", "napari_ds2net.errors"])
def test_reading_a_model_card_does_not_load_torch(module: str) -> None:
    assert not {name for name in imported_by(module) if name.partition(".")[0] == "torch"}


def test_nothing_below_the_gui_asks_for_a_window() -> None:
    imported = {name.partition(".")[0] for name in imported_by(*modules_below_gui())}
    assert "torch" in imported
    assert imported.isdisjoint(WINDOW_PACKAGES)


def test_files_stay_readable() -> None:
    sources = [
        path
        for folder in (PACKAGE, TRAINER, ROOT / "tests", ROOT / "benchmarks", ROOT / "scripts")
        for path in folder.rglob("*.py")
    ]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}
