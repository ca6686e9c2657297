"""``ds2net rank``: which images to correct first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import (
    complain,
    errors_in_words,
    named_once,
    printable,
    progress,
    say,
    table,
)
from napari_ds2net.cli.outputs import find_images
from napari_ds2net.cli.shared_options import (
    Channels,
    Device,
    Model,
    OverwriteJson,
    split_channels,
)
from napari_ds2net.cli.text_files import write_text_file
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.steps import Steps

if TYPE_CHECKING:
    from ds2net_training.ranking import RankedImage
    from napari_ds2net.api import LoadedModel


@errors_in_words
def rank(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="Images, stacks, videos, or folders of them."),
    ],
    model: Model,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the order and all scores.")
    ] = None,
    channels: Channels = "",
    device: Device = "auto",
    overwrite: OverwriteJson = False,
) -> None:
    """Order images for correction, the most uncertain first and no ten alike in a row.

    The score is one minus the Dice coefficient that the probabilities let expect, from 0 to 1. Of
    stacks and videos it orders the frames, which count from 0.
    """
    ModelLibrary().find(model)
    if json_file is not None and json_file.exists() and not overwrite:
        raise SettingsError(f"{json_file} exists; choose another --json, or add --overwrite.")

    from napari_ds2net.api import load_model
    from napari_ds2net.core.file_kinds import INPUT_SUFFIXES

    paths = find_images(inputs, INPUT_SUFFIXES)
    ordered, failed = _follow(paths, load_model(model, device), split_channels(channels))
    framed = ("frame",) if any(image.frame for image in ordered) else ()
    lines = table("", "score", "mean uncertainty", "mask", "image", *framed)
    for place, image in enumerate(ordered, start=1):
        share, mean = f"{image.foreground_share:.1%}", f"{image.mean_uncertainty:.3f}"
        which = [printable(str(image.path)), ",".join(map(str, image.frame))][: 1 + len(framed)]
        lines.add_row(str(place), f"{image.score:.3f}", mean, share, *which)
    if ordered:
        say(lines)
    if json_file is not None:
        write_text_file(json_file, _as_json(ordered))
    if failed:
        complain(
            f"{failed} of {len(paths)} images could not be ranked, or not all of their frames."
        )
        raise typer.Exit(1)


def _follow(
    paths: Sequence[Path], loaded: LoadedModel, channels: tuple[str, ...]
) -> tuple[Sequence[RankedImage], int]:
    """Segment every image; a file's first failure is told at once, and files are counted."""
    from ds2net_training.ranking import rank_steps

    steps = Steps(
        rank_steps(paths, loaded.network, loaded.card, loaded.plan, stacks=True, channels=channels)
    )
    failed: Counter[Path] = Counter()
    with progress() as display:
        task = display.add_task("Segmenting", total=len(paths))
        for event in steps:
            if event.failure is not None:
                failed[event.path] += 1
                if failed[event.path] == 1:
                    complain(named_once(event.path, event.failure), above=display)
            display.update(task, description=event.path.name, completed=event.done)
    for path, frames in failed.items():
        if frames > 1:
            complain(f"{path}: {frames} of its frames could not be read.")
    return steps.result, len(failed)


def _as_json(ordered: Sequence[RankedImage]) -> str:
    """Return a list of objects, the first to correct in front."""
    entries = [
        {
            "rank": place,
            "path": str(image.path),
            **({"frame": list(image.frame)} if image.frame else {}),
            "score": round(image.score, 6),
            "mean_uncertainty": round(image.mean_uncertainty, 6),
            "foreground_share": round(image.foreground_share, 6),
        }
        for place, image in enumerate(ordered, start=1)
    ]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
