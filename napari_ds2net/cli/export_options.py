"""Options that ``ds2net segment`` and ``ds2net export`` have in common."""

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
