"""What is exported of a big result, and what its record says of how it was made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_ds2net.core.big.store import MASK, PROBABILITY, BigResult
from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import Format, MapType, file_ending, is_png, record_path
from napari_ds2net.core.export.measurements import MEASURED
from napari_ds2net.core.export.plan import check_name
from napari_ds2net.core.export.png_bands import check_png_size
from napari_ds2net.core.export.record import ModelRecord, Origin
from napari_ds2net.core.export.record_parts import ChannelsRecord
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning, meaning_of
from napari_ds2net.core.image import ImageData
from napari_ds2net.core.measures import Measures
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BigExport:
    """What is exported, and where to.

    Attributes
    ----------
    result
        Complete.
    name
        What the files are called before the underscore.
    folder
        It exists.
    path
        The file itself, where there is one format and somebody chose its name; made of name and
        folder if None.
    overwrite
        Whether files that are there are replaced.
    image
        What was segmented, for its hash in the record; None where it is not at hand.
    image_name
        Name of its file; None where it may not be told.
    channels
        Those that the network saw; None for an image without an axis of channels.
    formats
        The kinds of files.
    meaning
        What the mask's numbers stand for; as the mask was made if None.
    pixel_size_um
        Edge of a pixel in micrometres; what the result says if None.
    suffix
        Of the image's own file; COCO names the image with it.
    polygons
        Whether COCO outlines are polygons where they can be; else all are RLE.
    map_type
        How maps are stored.
    look
        The colours of labels, and how the image looks under them.
    """

    result: BigResult
    name: str
    folder: Path
    path: Path | None = None
    overwrite: bool = False
    image: ImageData | None = None
    image_name: str | None = None
    channels: ChannelsRecord | None = None
    formats: tuple[Format, ...] = (Format.LABELS,)
    meaning: LabelMeaning | None = None
    pixel_size_um: float | None = None
    suffix: str = ".png"
    polygons: bool = False
    map_type: MapType = MapType.TIFF
    look: Look = field(default_factory=Look)

    def files(self) -> list[Path]:
        """Return the files in the order of `formats`, the record last.

        Raises
        ------
        ExportError
            The name is none for a file, the image too large for a PNG, or not at hand.
        """
        check_name(self.name)
        if any(is_png(what, self.map_type) for what in self.formats):
            check_png_size(self.result.shape)
        for what in self.formats:
            if what.needs_image and self.image is None:
                raise ExportError(
                    f"The {what} needs the image that the labels belong to; choose it."
                )
        endings = (file_ending(what, self.map_type) for what in self.formats)
        files = [self.folder / f"{self.name}{ending}" for ending in endings]
        named = files if self.path is None else [self.path]
        return [*named, record_path(self.name, self.folder)]

    def scale(self) -> tuple[tuple[float, float], str]:
        """Return height and width of a pixel, and their unit."""
        if self.pixel_size_um is None:
            return self.result.scale()
        return (self.pixel_size_um, self.pixel_size_um), "µm"

    def subject(self, highest: int) -> ExportSubject:
        """Return what is exported, as the ordinary export knows it; nothing is read.

        Parameters
        ----------
        highest
            The highest number of the mask.
        """
        result, (scale, unit) = self.result, self.scale()
        probability = result.levels(PROBABILITY)[0]
        splits = bool(result.mask_settings.get("split_touching"))
        made = LabelMeaning.OBJECTS if splits else meaning_of(highest, len(result.classes))
        return ExportSubject(
            name=self.name,
            labels=result.levels(MASK)[0],
            maps=dict.fromkeys(MEASURED, probability),  # which there are; they are read elsewhere
            scale=scale,
            units=(unit, unit),
            image=self.image,
            meaning=self.meaning or made,
            classes=result.classes,
            suffix=self.suffix,
        )


def origin_of(result: BigResult, channels: ChannelsRecord | None = None) -> Origin:
    """Tell of a finished result how its labels came to be."""
    how: Any = result.how
    if not {"model", "settings"} <= set(how):
        return Origin(edited=result.is_edited, channels=channels, found=_found(result))
    model = ModelRecord(name=how["model"]["name"], sha256=result.model_id)
    settings: dict[str, Any] = {**how["settings"], **result.mask_settings}
    settings["tile_shape"] = tuple(settings["tile_shape"])
    return Origin(
        model=model,
        settings=InferenceOptions(**settings),
        device=result.device,
        edited=result.is_edited,
        channels=channels,
        found=_found(result),
    )


def _found(result: BigResult) -> Measures | None:
    """Say what the network found, as of any image; None where not all of it was counted."""
    found = result.found
    if found is None or found.score is None or found.seconds is None:
        return None
    return Measures(
        objects=found.objects,
        foreground_share=found.area_px / math.prod(result.shape),
        mean_uncertainty=found.mean_uncertainty,
        score=found.score,
        seconds=found.seconds,
    )
