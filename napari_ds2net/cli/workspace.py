"""``ds2net workspace``: what is accepted, what is not yet, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, note, say, table
from napari_ds2net.errors import WorkspaceError

if TYPE_CHECKING:
    from napari_ds2net.workspace import Correction, Draft, Workspace

_PARTS = {"hold_out": "only tested on", "training": "learned from"}


@errors_in_words
def workspace(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A workspace, or the name of the model whose workspace it is, such as polyp.",
        ),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only read every file: exit status 1 if something is wrong."),
    ] = False,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--export-pairs",
            metavar="DIR",
            help="Copy the corrections to DIR/images, DIR/masks and DIR/reviewed.",
        ),
    ] = None,
    anonymous: Annotated[
        bool | None,
        typer.Option(
            "--anonymous/--keep-names",
            help="Leave the names of files out of what is accepted from now on, or keep them.",
        ),
    ] = None,
) -> None:
    """List the accepted corrections of a workspace, its drafts, and files that are not as written.

    Opening a workspace finishes what a crash interrupted, and says so.
    """
    from napari_ds2net.workspace import Workspace, export_pairs  # imports numpy

    opened = Workspace.open(_folder_of(folder), create=False)
    for sentence in opened.recovered:
        note(sentence)
    if anonymous is not None:
        opened.set_anonymous(anonymous)
        note(f"Names of files are {'left out' if anonymous else 'kept'} from now on.")
    if pairs is not None:
        say(f"{export_pairs(opened, pairs)} corrections: {pairs}")
        return
    if anonymous is not None:
        return
    if not check:
        _list(opened)
    problems = opened.problems()
    for problem in problems:
        complain(problem, kind="Warning")
    if check:
        if problems:
            complain(f"{len(problems)} files of {opened.folder} are not as they were written.")
            raise typer.Exit(1)
        say(f"{len(opened.corrections())} corrections, every file as it was written.")


def _folder_of(given: Path) -> Path:
    """Return a folder as it is, or that of a model's corrections.

    Raises
    ------
    WorkspaceError
        It is neither.
    """
    if given.is_dir():
        return given

    from napari_ds2net.workspace import folder_of

    of_model = folder_of(str(given))
    if len(given.parts) == 1 and of_model.is_dir():
        return of_model
    raise WorkspaceError(
        f"There is no folder {given}, and no model of that name has corrections in "
        f"{of_model.parent}; expected one of both."
    )


def _list(opened: Workspace) -> None:
    corrections, drafts = opened.corrections(), opened.drafts.list()
    if corrections:
        lines = table("correction", "kind", "objects", "pixels", "reviewed", "part", "accepted")
        for each in corrections:
            lines.add_row(*_row(each))
        say(lines)
    if drafts:
        lines = table("draft of", "saved", "")
        for draft in drafts:
            saved = draft.saved_at[:16].replace("T", " ")
            lines.add_row(_name(draft), saved, "being edited" if draft.in_use else "")
        say(lines)
    removed = len(opened.removed())
    also = f", {removed} removed ones that can be brought back" if removed else ""
    names = "; names of files are left out" if opened.anonymous else ""
    note(f"{opened.folder}: {len(corrections)} corrections, {len(drafts)} drafts{also}{names}.")


def _row(correction: Correction) -> tuple[str, ...]:
    height, width = correction.shape
    split = correction.split
    return (
        correction.stem,
        correction.kind,
        str(correction.object_count),
        f"{width}x{height}",
        f"{correction.reviewed_share:.0%}",
        "-" if split is None else _PARTS.get(split.part, split.part),
        correction.accepted_at[:16].replace("T", " "),
    )


def _name(draft: Draft) -> str:
    """Return what is known of where a draft comes from."""
    source = draft.source
    if source is None:
        return draft.key[:12]
    return source.name or (source.path.name if source.path is not None else draft.key[:12])
