"""``ds2net models``: what is in the library, and moving models in and out."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, note, say, table
from napari_ds2net.cli.shared_options import OverwriteFile
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary
from napari_ds2net.library.describe import describe
from napari_ds2net.network.card import Framing, Intensity, ModelCard
from napari_ds2net.network.config import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(
    help="List, show, import, export and remove models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.command("list")
@errors_in_words
def list_models() -> None:
    """List the models that can be used, those of the package first."""
    library = ModelLibrary()
    entries = library.list()
    lines = table("name", "from", "network", "MB", "frames", "size", "description")
    for entry in entries:
        height, width = entry.card.input_size
        lines.add_row(
            entry.name,
            "package" if entry.bundled else "you",
            ARCHITECTURES[entry.config.architecture],
            f"{entry.path.stat().st_size / 1e6:.1f}",
            entry.card.framing.value,
            f"{width}x{height}",
            entry.card.description,
        )
    if entries:
        say(lines)
    else:
        note(f"There are no models, neither in the package nor in {library.root}.")
    for damaged in library.damaged():
        complain(damaged.reason, kind="Warning")


@app.command()
@errors_in_words
def show(
    model: Annotated[str, typer.Argument(help="Name of a model, or path of a .safetensors file.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole model card as JSON.")
    ] = False,
) -> None:
    """Show what a model is for, how it sees an image, what it learned from, and its scores."""
    entry = ModelLibrary().entry(model)
    if as_json:
        say(entry.card.to_json())
        return
    for heading, text in describe(entry):
        if text:
            say(f"{heading + ':':<18} {text}")


@app.command("import")
@errors_in_words
def import_model(
    file: Annotated[
        Path, typer.Argument(help="A .safetensors file of this program, or a released .pth file.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name in the library. If not given, its own.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="For a .pth: what it is for.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="For a .pth: a name per output, separated by commas.")
    ] = None,
    framing: Annotated[
        Framing | None, typer.Option(help="For a .pth: resize the whole frame, or cut tiles.")
    ] = None,
    input_size: Annotated[
        int | None, typer.Option(help="For a .pth: edge in pixels of the frame or tile.")
    ] = None,
    intensity: Annotated[
        Intensity | None, typer.Option(help="For a .pth: how pixel values become 0 to 1.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="For a .pth: probability from which a pixel is an object.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="For a .pth: terms of the weights.")] = None,
) -> None:
    """Check a file of weights, try it, and copy it into your library.

    A file of this program brings its model card. A .pth file as the authors of DS²Net or M²SNet
    release it has none: its card is made from the options, and the weights are converted.
    """
    values = {
        "description": description,
        "classes": _class_names(classes),
        "framing": framing,
        "input_size": None if input_size is None else (input_size, input_size),
        "intensity": intensity,
        "threshold": threshold,
        "licence": licence,
    }
    given = {key: value for key, value in values.items() if value is not None}
    entry = ModelLibrary().import_file(file, name, card=_card(file, name, given))
    say(f"{entry.name}: {entry.path}")


@app.command("export")
@errors_in_words
def export_model(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    destination: Annotated[
        Path, typer.Argument(help="A folder, or the file to write.", show_default="this folder")
    ] = Path(),
    overwrite: OverwriteFile = False,
) -> None:
    """Copy a model's file, with its card, to somewhere else."""
    say(str(ModelLibrary().export_file(name, destination, overwrite=overwrite)))


@app.command()
@errors_in_words
def average(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL MODEL...", help="Names of models, or paths of files."),
    ],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    threshold: Annotated[
        float | None,
        typer.Option(help="The mean's threshold. If not given, that of the first model."),
    ] = None,
    overwrite: OverwriteFile = False,
) -> None:
    """Average the weights of networks that went on from one start.

    The file has the first model's card without scores: measure them with `ds2net evaluate`.
    """
    library = ModelLibrary()
    paths = [library.find(model) for model in models]
    if output.exists() and not overwrite:
        raise SettingsError(f"{output} exists; choose another --output, or add --overwrite.")

    from napari_ds2net.network.averaging import average_networks
    from napari_ds2net.network.checkpoint import save_checkpoint

    network, card = average_networks(paths)
    if threshold is not None:
        card = dataclasses.replace(card, threshold=threshold)
    save_checkpoint(output, network, card)
    say(f"{output}: the mean of {len(paths)} networks")


@app.command()
@errors_in_words
def remove(
    name: Annotated[str, typer.Argument(help="Name of a model of yours.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete one of your models from the library; there is no way back."""
    library = ModelLibrary()
    path = library.find(name)
    if path.parent == library.root and sys.stdin.isatty() and not yes:
        typer.confirm(f"Delete {path}?", abort=True, err=True)
    library.remove(name)
    say(f"{name}: removed")


def _class_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise SettingsError(f"--classes is {text!r}; expected names separated by commas.")
    return names


def _card(file: Path, name: str | None, given: Mapping[str, object]) -> ModelCard | None:
    """Make the card that the options describe; None if they describe nothing."""
    if not given:
        return None
    return ModelCard.from_dict({"name": name or file.stem, **given})
