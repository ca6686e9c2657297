"""Options that several commands have in common."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from napari_ds2net.core.export.formats import MapType
from napari_ds2net.errors import SettingsError

Model = Annotated[
    str, typer.Option("--model", "-m", help="Name of a model, or path of a file of weights.")
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, ...; auto takes the fastest.")
]
Flips = Annotated[
    bool, typer.Option("--flips", help="Average over flipped copies: slower, a little better.")
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Probability from which a pixel is an object. If not given, the model's."),
]
Data = Annotated[
    list[Path], typer.Option(metavar="DIR...", help="Folders with images/ and masks/ each.")
]
MoreData = Annotated[list[Path] | None, typer.Argument(metavar="[DIR]", hidden=True)]
"""Folders after the first one of ``--data``."""
OverwriteJson = Annotated[
    bool, typer.Option("--overwrite", help="Write over the file of --json if it is there.")
]
OverwriteFile = Annotated[
    bool, typer.Option("--overwrite", help="Write over a file that is there.")
]
Maps = Annotated[MapType, typer.Option(help="Maps as float32 TIFF, or as PNG of 16 bits.")]
Polygons = Annotated[
    bool, typer.Option("--polygons", help="COCO outlines as polygons instead of RLE.")
]
PixelSize = Annotated[
    float | None,
    typer.Option("--pixel-size", help="Edge of a pixel in µm. If not given, what the file says."),
]
KeepName = Annotated[
    bool, typer.Option("--keep-name", help="Write the image's file name into the run record.")
]
Channels = Annotated[
    str,
    typer.Option(
        metavar="0|NAME,...",
        help="One to three channels that the network sees as red, green and blue, of TIFF and zarr "
        "with a channel axis: their numbers, from 0, or their names in OME. If not given, all "
        "where there are no more than three.",
        show_default=False,
    ),
]


def check_pixel_size(size_um: float | None) -> None:
    """Refuse a ``--pixel-size`` that none has, before the first image is read.

    Raises
    ------
    SettingsError
        It is 0 or less, or no number.
    """
    if size_um is not None and not 0 < size_um < math.inf:
        raise SettingsError(f"--pixel-size is {size_um:g} µm; expected more than 0.")


def split_channels(given: str) -> tuple[str, ...]:
    """Return the channels that ``--channels`` names."""
    return tuple(each.strip() for each in given.split(",") if each.strip())
