"""Corrections as plain pairs: a data set that needs no workspace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from ds2net_training.dataset import find_pairs, load_mask
from napari_ds2net.core.files import read_image
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import Workspace, export_pairs
from tests.workspace.cases import accept, box, files_below, frame


def test_the_pairs_are_a_data_set_with_the_same_pixels(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "mine")
    reviewed = np.zeros((24, 32), bool)
    reviewed[:, :16] = True
    accept(workspace, 1, labels=box(300), reviewed=reviewed)
    accept(workspace, 2)
    workspace.remove(accept(workspace, 3))
    assert export_pairs(workspace, tmp_path / "out") == 2
    assert list(files_below(tmp_path / "out")) == [
        "images/1.png", "images/2.png", "masks/1.tif", "masks/2.tif", "reviewed/1.png",
    ]  # fmt: skip
    first, second = find_pairs(tmp_path / "out")
    np.testing.assert_array_equal(read_image(first.image), frame(1))
    np.testing.assert_array_equal(tifffile.imread(first.mask), box(300))
    np.testing.assert_array_equal(load_mask(second.mask), box())


def test_what_cannot_be_exported_is_a_sentence(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "mine")
    with pytest.raises(WorkspaceError, match="nothing to export"):
        export_pairs(workspace, tmp_path / "out")
    kept = accept(workspace, 1)
    export_pairs(workspace, tmp_path / "out")
    with pytest.raises(WorkspaceError, match="holds files already"):
        export_pairs(workspace, tmp_path / "out")
    kept.path("mask.tif").unlink()
    with pytest.raises(WorkspaceError, match=r"mask|1\.tif"):
        export_pairs(workspace, tmp_path / "other")
