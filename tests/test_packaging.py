"""What a wheel and a source archive contain, built from a copy of the checkout."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "napari_ds2net": ROOT / "napari_ds2net",
    "ds2net_training": ROOT / "training" / "ds2net_training",
}
BUNDLED = {"polyp", "breast-ultrasound", "nuclei"}
LEFT_OUT_OF_THE_COPY = (
    ".*cache", ".git", ".venv", "*.egg-info", "__pycache__", "build", "dist", "runs",
    "sample-output",
)  # fmt: skip
VERSION = "1.2.3"


def build(kind: str, source: Path, target: Path, **environment: str) -> Path:
    """Build a wheel or an sdist of `source` into `target` and return its path."""
    result = subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", target, source],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("checkout") / "napari-ds2net"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT_OF_THE_COPY))
    target = tmp_path_factory.mktemp("sdist")
    return build("sdist", copy, target, SETUPTOOLS_SCM_PRETEND_VERSION_FOR_NAPARI_DS2NET=VERSION)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source archive, as pip does where there is no wheel."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return build("wheel", unpacked / f"napari_ds2net-{VERSION}", tmp_path_factory.mktemp("wheel"))


def files_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        names = [member.name for member in archive.getmembers() if not member.isdir()]
    return {name.partition("/")[2] for name in names}


def modules_in_checkout() -> set[str]:
    return {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*.py")
    }


def test_wheel_installs_the_two_packages_and_nothing_else(wheel: Path) -> None:
    top = {name.partition("/")[0] for name in files_in_wheel(wheel)}
    assert top == {"napari_ds2net", "ds2net_training", f"napari_ds2net-{VERSION}.dist-info"}


def test_wheel_has_every_module(wheel: Path) -> None:
    modules = {name for name in files_in_wheel(wheel) if name.endswith(".py")}
    assert modules == modules_in_checkout()


def test_wheel_has_manifest_types_and_bundled_networks(wheel: Path) -> None:
    files = files_in_wheel(wheel)
    assert {"napari_ds2net/napari.yaml", "napari_ds2net/py.typed"} <= files
    assert "ds2net_training/py.typed" in files
    recipes = {Path(name).name for name in files if name.startswith("ds2net_training/recipes/")}
    assert recipes == {path.name for path in (ROOT / "training" / "recipes").glob("*.toml")}
    networks = {Path(name).stem for name in files if name.endswith(".safetensors")}
    assert networks == BUNDLED


def test_wheel_declares_its_programs_and_its_manifest(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"napari_ds2net-{VERSION}.dist-info/entry_points.txt").decode()
    assert "ds2net = napari_ds2net.cli:main" in text
    assert "napari-ds2net = napari_ds2net:napari.yaml" in text


def test_no_requirement_has_an_upper_bound(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"napari_ds2net-{VERSION}.dist-info/METADATA").decode()
    metadata = email.message_from_string(text)
    requirements = metadata.get_all("Requires-Dist", []) + metadata.get_all("Requires-Python", [])
    assert "torch" in text
    bounded = [line for line in requirements if re.search(r"<|==|~=", line.partition(";")[0])]
    assert bounded == []


def test_sdist_has_what_it_takes_to_build_and_test(sdist: Path) -> None:
    files = files_in_sdist(sdist)
    assert {
        "LICENSE", "MODELS.md", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml",
        "napari.yaml", "napari_ds2net/napari.yaml", "tests/conftest.py", "scripts/lint",
    } <= files  # fmt: skip
    assert {path for path in files if path.startswith("training/recipes/")} == {
        f"training/recipes/{path.name}" for path in (ROOT / "training/recipes").glob("*.toml")
    }
    assert not {path for path in files if path.endswith((".pyc", ".pth")) or ".venv" in path}


def test_the_manifest_at_the_root_is_the_packages_own() -> None:
    packaged = (ROOT / "napari_ds2net" / "napari.yaml").read_text(encoding="utf-8")
    assert (ROOT / "napari.yaml").read_text(encoding="utf-8") == packaged
