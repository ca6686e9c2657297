"""``ds2net finetune``: corrected images in, a network of one's own out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ds2net.cli.console import complain, errors_in_words, note, say
from napari_ds2net.cli.finetune_display import FineTuneDisplay, comparison_table
from napari_ds2net.cli.interrupt import run_until_stopped
from napari_ds2net.cli.shared_options import Device
from napari_ds2net.errors import SettingsError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from ds2net_training.finetuning.settings import FineTuneSettings

_NOT_BETTER = 3
"""Exit status of a network that is kept but is not better than the one it started from."""


@errors_in_words
def finetune(
    model: Annotated[
        str, typer.Option("--model", "-m", help="Name or file of the model to start from.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="A workspace, or a folder with images/, masks/ and perhaps reviewed/ (0 where "
            "nobody looked).",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model in the library.")],
    mode: Annotated[
        str,
        typer.Option(
            help="quick trains the encoder's two coarsest levels, full every weight, semi the "
            "coarsest, from images without a mask as well."
        ),
    ] = "quick",
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            help="Images of yours without a correction, for the mode semi; may be repeated.",
        ),
    ] = None,
    as_released: Annotated[
        bool,
        typer.Option(
            "--as-released",
            help="semi as SS-Net's published code computes it: images are perturbed and every "
            "weight learns, which takes several times as long.",
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time for everything; for quick half a minute if not given, else three."),
    ] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Fixes every random number.")] = 0,
) -> None:
    """Fine-tune a model on corrected images and show it before and after on images it never saw.

    The new model goes into the library; its card names its parent, the corrections and the scores.
    A change marked * is more than chance: its interval leaves zero out, over enough images.
    Ctrl-C while it learns keeps nothing. Exit status 3: it is kept, but it is not better.
    """
    library = ModelLibrary()
    library.find(model)
    library.check_new_name(name)

    from ds2net_training.finetuning.finetune import finetune_steps

    settings = _settings(mode, minutes, seed, as_released=as_released)
    if unlabelled and mode != "semi":
        note(f"The mode {mode} learns from corrections alone; --unlabelled is not used.")
    if mode == "semi" and not unlabelled:
        note("Without --unlabelled, semi only asks for smoothness around the corrections.")
    steps = finetune_steps(
        model, data, name, settings, device=device, unlabelled=unlabelled or (), library=library
    )
    result = run_until_stopped(steps, FineTuneDisplay(), "Stopping after this step.")
    if result is None:
        complain("nothing was kept.", kind="Stopped")
        raise typer.Exit(130)
    if result.comparison is not None:
        say(comparison_table(result.comparison))
        say(result.comparison.worth)
    say(result.verdict)
    say(f"{result.name}: {result.path}, {result.seconds:.0f} s")
    if not result.is_better:
        raise typer.Exit(_NOT_BETTER)


def _settings(
    mode: str, minutes: float | None, seed: int, *, as_released: bool
) -> FineTuneSettings:
    from ds2net_training.finetuning.settings import make_settings
    from ds2net_training.semi.settings import SemiSettings

    settings = make_settings(mode, minutes=minutes, seed=seed)
    if not as_released:
        return settings
    if mode != "semi":
        raise SettingsError(f"--as-released belongs to the mode semi; the mode is {mode}.")
    return dataclasses.replace(settings, semi=SemiSettings.as_released())
