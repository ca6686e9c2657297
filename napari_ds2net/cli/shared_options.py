"""Options that several commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_ds2net.core.export.formats import MapType

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


def split_channels(given: str) -> tuple[str, ...]:
    """Return the channels that ``--channels`` names."""
    return tuple(each.strip() for each in given.split(",") if each.strip())
