"""What the tests of big images in the window have in common: a small one that counts as big."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_ds2net.core.big.store import BYTE_MAPS, MASK, PROBABILITY, BigResult, Layout
from napari_ds2net.core.events import BlockDone, RowsDone, TileDone
from napari_ds2net.engine.big_job import BigSegmented
from napari_ds2net.gui import big_runs
from tests.gui.stand_in import ThreadEngine
from tests.gui.window import disc

SHAPE = (160, 120)
IMAGE = disc(*SHAPE, 30)


def growing(image: Any, path: Path, model: str, device: str, options: Any) -> Any:
    """Stand in for `segment_big`: writes the brightness, 80 rows at a time; no torch is loaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = Layout(
        shape=SHAPE, pixel_size=image.pixel_size, unit=image.unit, mask_type="uint32",
        chunk_px=40, smallest_level_px=80,
    )  # fmt: skip
    chosen = {"flips": False, "overlap": 0.25, "tile_shape": [224, 224]}
    made = {"model": {"name": model, "id": "a" * 64}, "settings": chosen}
    result = BigResult.create(path, layout, made)
    yield TileDone(1, 2)
    for row in (0, 80):
        pixels = np.asarray(image.frame(region=(slice(row, row + 80), slice(None))))
        result.levels(PROBABILITY)[0][row : row + 80] = pixels / 255
        for name in BYTE_MAPS:
            result.levels(name)[0][row : row + 80] = pixels
        for step, level in enumerate(result.levels(MASK)):
            level[row >> step : (row + 80) >> step] = (pixels > 127)[:: 2**step, :: 2**step]
        result.note(rows_done=row + 80)
        yield RowsDone(row, row + 80, SHAPE[0])
    yield BlockDone(1, 1)
    found = {"objects": 1, "area_px": int((IMAGE > 127).sum()), "mean_uncertainty": 0.25}
    result.note(complete=True, found=found, mask={"threshold": 0.5})
    return BigSegmented(path, 0.1, "cpu, float32", model)


def stored(path: Path) -> Any:
    array: Any = zarr.create_array(path, shape=SHAPE, chunks=(40, 40), dtype="u1")
    array[:] = IMAGE
    return array


def let_small_be_big(monkeypatch: pytest.MonkeyPatch, engine: ThreadEngine, home: Path) -> None:
    """Let images of 10,000 pixels count as big, and keep results in the test's folder."""
    monkeypatch.setattr(big_runs, "BIG_PIXELS", 10_000)
    monkeypatch.setattr(big_runs, "REFRESH_MS", 10)
    monkeypatch.setenv("DS2NET_HOME", str(home))
    engine.replaced["segment_big"] = growing
