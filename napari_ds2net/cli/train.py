"""``ds2net train``: a recipe and folders of images and masks in, a network out."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, say
from napari_ds2net.cli.interrupt import run_until_stopped
from napari_ds2net.cli.recipes import find_recipe
from napari_ds2net.cli.shared_options import Data, MoreData
from napari_ds2net.cli.training_display import TrainingDisplay
from napari_ds2net.durations import duration_words
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from ds2net_training.trainer import RunOptions

_SUFFIX = ".safetensors"
_STOPPING = "Stopping after this step; Ctrl-C again stops at once."


@errors_in_words
def train(
    recipe: Annotated[
        str, typer.Option(help="A TOML file, or the name of a recipe that comes with the trainer.")
    ],
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the network.")],
    more_data: MoreData = None,
    encoder_weights: Annotated[
        Path | None,
        typer.Option(help="File that the encoder starts from, where the recipe wants one."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Name or file of a network to start from; it must be of the recipe's shape.",
        ),
    ] = None,
    lossnet_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="VGG16's ImageNet weights, where the recipe has LossNet; else they are fetched.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training of this output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew where there is a training already.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="32-true, or bf16-mixed where the processor has it.")
    ] = "32-true",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare images.")] = 0,
    log: Annotated[
        Path | None, typer.Option(help="File to which every epoch is added as a line of JSON.")
    ] = None,
) -> None:
    """Train a network: the best one on held-out images is kept in --output, with its model card.

    A recipe that holds nothing out keeps the last one.

    Ctrl-C stops after the step under way; the same command with --resume goes on from there.
    """
    output = _weights_file(output)
    folders = [*data, *(more_data or ())]
    path = find_recipe(recipe)
    _check_output(output, resume=resume, overwrite=overwrite)

    from ds2net_training.settings import read_recipe
    from ds2net_training.trainer import RunOptions, train_steps

    settings = read_recipe(path)
    options = RunOptions(
        output=output,
        encoder_weights=encoder_weights,
        start=None if start is None else ModelLibrary().find(start),
        lossnet_weights=lossnet_weights,
        device=device,
        precision=precision,
        resume=resume,
        workers=workers,
    )
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    first = is_first_process()
    display = TrainingDisplay(log if first else None, quiet=not first)
    result = run_until_stopped(train_steps(settings, folders, options), display, _STOPPING)
    if result is None:
        if first:
            _say_how_to_go_on(options, recipe, folders)
        raise typer.Exit(130)
    if first:
        dice = result.best_dice
        scored = "nothing held out," if dice is None else f"validation Dice {dice:.3f} in"
        say(
            f"{result.path}: {scored} epoch {result.best_epoch} of {result.epochs_run}, "
            f"{duration_words(result.seconds)}"
        )


def _weights_file(output: Path) -> Path:
    """Return `output` with the suffix of a network's file."""
    if output.suffix == _SUFFIX:
        return output
    if output.is_dir() or output.suffix:
        raise SettingsError(f"--output is {output}; expected a file such as mine{_SUFFIX}.")
    return output.with_name(output.name + _SUFFIX)


def _check_output(output: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to start where an earlier training would be lost."""
    from ds2net_training.resume import resume_path

    if resume and overwrite:
        raise SettingsError("--resume goes on and --overwrite starts anew; give one of them.")
    if resume or overwrite or not is_first_process():
        return
    if resume_path(output).exists():
        raise SettingsError(
            f"A training of {output} is there already; add --resume to go on with it, or "
            "--overwrite to start anew."
        )
    if output.exists():
        raise SettingsError(f"{output} exists; choose another --output, or add --overwrite.")


def _say_how_to_go_on(options: RunOptions, recipe: str, folders: list[Path]) -> None:
    """Tell what an interrupted training leaves behind and how it goes on."""
    from ds2net_training.resume import resume_path

    if not resume_path(options.output).exists():
        complain("nothing was learned yet, and nothing is left behind.", kind="Stopped")
        return
    command = ["ds2net", "train", "--recipe", recipe]
    for folder in folders:
        command += ["--data", str(folder)]
    command += ["--output", str(options.output), "--device", options.device]
    command += ["--precision", str(options.precision)]
    if options.encoder_weights is not None:
        command += ["--encoder-weights", str(options.encoder_weights)]
    if options.start is not None:
        command += ["--start", str(options.start)]
    if options.lossnet_weights is not None:
        command += ["--lossnet-weights", str(options.lossnet_weights)]
    best = f"the best network so far is in {options.output}; " if options.output.exists() else ""
    complain(f"{best}go on with\n{shlex.join([*command, '--resume'])}", kind="Stopped")


def is_first_process() -> bool:
    """Tell whether this is the only process, or the first that ``torchrun`` started."""
    return os.environ.get("RANK", "0") == "0"
