"""What ``ds2net doctor`` looks at: versions, the computer, the library, and whether models work."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from napari_ds2net.errors import DeviceError, DS2NetError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.library.names import BUNDLED_NAMES

if TYPE_CHECKING:
    from napari_ds2net.core.phantoms import Phantom

NEEDED = ("torch", "torchvision", "timm", "numpy", "scikit-image", "safetensors", "tifffile")
OPTIONAL = ("lightning-fabric", "napari", "PyQt6", "PyQt5", "PySide6")
LEAST_FREE_BYTES = 1_000_000_000
LEAST_DICE = 0.5
"""Overlap with the drawn truth under which a bundled model does not work as it should."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report; `problem` says what is broken and what to do, empty if all is well."""

    name: str
    value: str
    problem: str = ""


Check = Callable[[], Iterator[Finding]]


def versions() -> Iterator[Finding]:
    """Look up what is installed; nothing is imported."""
    from napari_ds2net import __version__

    yield Finding("napari-ds2net", __version__)
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("system", platform.platform())
    for name in NEEDED:
        version = _version(name)
        problem = "" if version else f"{name} is not installed; run 'pip install {name}'."
        yield Finding(name, version or "not installed", problem)
    for name in OPTIONAL:
        if version := _version(name):
            yield Finding(name, version)


def computer() -> Iterator[Finding]:
    """Say what will compute, and whether there is room."""
    yield from _torch()
    memory = psutil.virtual_memory()
    yield Finding("memory", f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free")
    home = ModelLibrary().root
    free = shutil.disk_usage(_existing_parent(home)).free
    problem = f"The disk of {home} is nearly full; free some space." * (free < LEAST_FREE_BYTES)
    yield Finding("free disk space", f"{free / 1e9:.0f} GB", problem)


def library() -> Iterator[Finding]:
    """Look at every file of the model library: header, card, checksum."""
    models = ModelLibrary()
    entries = models.list()
    own = sum(not entry.bundled for entry in entries)
    yield Finding("models", f"{len(entries) - own} from the package, {own} yours")
    missing = [name for name in BUNDLED_NAMES if name not in models.names()]
    if missing:
        yield Finding(
            "bundled models",
            f"{', '.join(missing)} missing",
            "The package is not complete; install it again "
            "('pip install --force-reinstall --no-deps napari-ds2net').",
        )
    yield Finding("your models", str(models.root), _why_not_writable(models.root))
    for damaged in models.damaged():
        yield Finding(damaged.path.name, "damaged", damaged.reason)


def bundled_models() -> Iterator[Finding]:
    """Let every bundled model segment a drawn image whose true mask is known."""
    from napari_ds2net.core.phantoms import PAINTERS

    for entry in ModelLibrary().list():
        if entry.bundled and entry.name in PAINTERS:
            yield _try(entry.name, PAINTERS[entry.name](0))


def _try(name: str, phantom: Phantom) -> Finding:
    """Segment `phantom`, with everything loaded before the clock runs, and compare."""
    import numpy as np

    from napari_ds2net.api import segment

    try:
        segment(phantom.image, name)  # loads the network
        prediction = segment(phantom.image, name)
    except DS2NetError as error:
        return Finding(name, "fails", f"{name}: {error}")
    found, truth = prediction.mask > 0, phantom.mask > 0
    total = int(np.count_nonzero(found)) + int(np.count_nonzero(truth))
    dice = 2 * int(np.count_nonzero(found & truth)) / max(total, 1)
    height, width = truth.shape
    value = f"{prediction.seconds:.2f} s for {width}x{height}, Dice {dice:.2f} on a drawn image"
    if dice >= LEAST_DICE:
        return Finding(name, f"OK, {value}")
    return Finding(
        name,
        f"wrong, {value}",
        f"{name} misses the object that was drawn for it; install the package again, and report "
        "it with this text if that does not help.",
    )


def _torch() -> Iterator[Finding]:
    """Import torch and say which devices there are and how the fastest would be used."""
    try:
        import torch

        from napari_ds2net.core.cores import usable_cores
        from napari_ds2net.core.device import choose_plan, has_native_bfloat16
    except (ImportError, OSError) as error:
        yield Finding(
            "torch",
            "does not load",
            f"PyTorch cannot be imported ({error}); install it again as pytorch.org says.",
        )
        return
    bfloat16 = "with" if has_native_bfloat16() else "without"
    features = torch.backends.cpu.get_cpu_capability()
    yield Finding("processor", f"{platform.machine()}, {features}, {bfloat16} bfloat16 of its own")
    yield Finding("cores", f"{usable_cores()} usable of {os.cpu_count()} processors")
    yield Finding("devices", ", ".join(_devices()))
    try:
        yield Finding("chosen", str(choose_plan()))
    except DeviceError as error:
        yield Finding("chosen", "none", str(error))


def _devices() -> Iterator[str]:
    """Yield what torch can compute on."""
    import torch

    yield "cpu"
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        memory = torch.cuda.get_device_properties(number).total_memory
        yield f"cuda:{number} ({torch.cuda.get_device_name(number)}, {memory / 1e9:.0f} GB)"
    if torch.backends.mps.is_available():
        yield "mps"


def _version(name: str) -> str:
    """Return the version of a distribution, empty if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _existing_parent(folder: Path) -> Path:
    """Return `folder`, or the nearest folder above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def _why_not_writable(folder: Path) -> str:
    """Return why no model can be kept in `folder`, empty if one can; nothing is written."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return ""
    return (
        f"No model can be kept in {folder}, because {nearest} is not a folder that may be written "
        "to; set DS2NET_HOME to one that is."
    )
