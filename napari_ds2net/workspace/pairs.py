"""The corrections as plain pairs of files, for programs that know no workspace."""

from __future__ import annotations

from pathlib import Path

from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import durable
from napari_ds2net.workspace.layout import Layout
from napari_ds2net.workspace.store import Workspace

_FOLDERS = ("images", "masks", "reviewed")


def export_pairs(workspace: Workspace, folder: Path) -> int:
    """Copy the files that count: ``images/``, ``masks/`` and, where it was in part, ``reviewed/``.

    Names, types and pixels are those of the workspace; its journal, records and drafts stay behind.

    Parameters
    ----------
    workspace
        Where from.
    folder
        Where to; made if there is none. What else it holds is left alone, but there must not be
        images or masks in it already, for they would be mixed.

    Returns
    -------
    int
        Number of pairs.

    Raises
    ------
    WorkspaceError
        There is no correction, the folder has images already, or a file cannot be read or written.
    """
    corrections = workspace.corrections()
    if not corrections:
        raise WorkspaceError(
            f"{workspace.folder} holds no accepted correction, so there is nothing to export."
        )
    for name in _FOLDERS:
        if (folder / name).is_dir() and any((folder / name).iterdir()):
            raise WorkspaceError(
                f"{folder / name} holds files already; expected an empty folder, or a new one."
            )
    target = Layout(folder)
    for correction in corrections:
        for file in correction.files:
            place = target.place(correction.stem, file)
            with durable.errors_in_words(correction.path(file)):
                content = correction.path(file).read_bytes()
            with durable.errors_in_words(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                durable.write_over(place, content)
    return len(corrections)
