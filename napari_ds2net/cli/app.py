"""The ``ds2net`` command and its subcommands."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from napari_ds2net.cli import models
from napari_ds2net.cli.console import say
from napari_ds2net.cli.doctor import doctor
from napari_ds2net.cli.evaluate import evaluate
from napari_ds2net.cli.export import export
from napari_ds2net.cli.finetune import finetune
from napari_ds2net.cli.rank import rank
from napari_ds2net.cli.segment import segment
from napari_ds2net.cli.train import train
from napari_ds2net.cli.workspace import workspace

app = typer.Typer(
    name="ds2net",
    help="Segment images with DS²Net, train and evaluate networks, and keep a library of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(segment)
app.command()(train)
app.command()(evaluate)
app.command()(finetune)
app.command()(rank)
app.command()(workspace)
app.add_typer(models.app, name="models")
app.command()(export)
app.command()(doctor)


def main() -> None:
    """Run the command line; the entry point of ``ds2net``."""
    app(prog_name="ds2net")


def _show_version(wanted: bool) -> None:
    if wanted:
        from napari_ds2net import __version__

        say(f"ds2net {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options before the subcommand."""
    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # readers say what is wrong
