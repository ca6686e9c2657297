"""Accepted corrections on disk: plain files, a journal, drafts, and the order of the work.

::

    workspace = Workspace.open(folder_of("my-polyps"))
    digest = content_hash(frame)                            # is this image corrected already?
    if workspace.find(digest) is None:
        workspace.drafts.save(frame_key(digest), labels)    # from a thread, while the user draws
        workspace.accept(frame, labels, source=SourceInfo(path=path), proposed=mask)
    split = workspace.assign_split()                        # .training, .hold_out, .folds, .advice
"""

from __future__ import annotations

from napari_ds2net.workspace.correction import Correction
from napari_ds2net.workspace.drafts import Draft, Drafts, frame_key
from napari_ds2net.workspace.pairs import export_pairs
from napari_ds2net.workspace.pictures import content_hash
from napari_ds2net.workspace.places import choose_folder, chosen_folder, default_folder, folder_of
from napari_ds2net.workspace.queue import rank_queue
from napari_ds2net.workspace.similarity import detail_vectors
from napari_ds2net.workspace.source import ModelUsed, Origin, SourceInfo, SplitMark
from napari_ds2net.workspace.split import Fold, Split, SplitOptions
from napari_ds2net.workspace.store import Workspace
from napari_ds2net.workspace.thumbnails import draw_thumbnail

__all__ = [
    "Correction",
    "Draft",
    "Drafts",
    "Fold",
    "ModelUsed",
    "Origin",
    "SourceInfo",
    "Split",
    "SplitMark",
    "SplitOptions",
    "Workspace",
    "choose_folder",
    "chosen_folder",
    "content_hash",
    "default_folder",
    "detail_vectors",
    "draw_thumbnail",
    "export_pairs",
    "folder_of",
    "frame_key",
    "rank_queue",
]
