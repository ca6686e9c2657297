"""Finding the image of a run record, and reading what of it was segmented."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ds2net.cli.replayed_big import is_of_big
from napari_ds2net.errors import DS2NetError, ExportError, ImageError

if TYPE_CHECKING:
    from napari_ds2net.core.export.record import RunRecord, SourceRecord
    from napari_ds2net.core.export.record_parts import ChannelsRecord
    from napari_ds2net.core.image import ImageData, PixelArray

_PLACE = re.compile(r"(_[a-z]\d{3,})+$")
"""What follows the name of a stack in that of one of its frames, as in ``heart_t007``."""
_FRONT = "tzabdefgh"
"""Letters of the axes that count frames; what they mean does not matter here."""
_ZARR_ENDINGS = (".zarr", ".ome.zarr")


def find_image(
    record_file: Path, stem: str, record: RunRecord, inputs: Sequence[Path]
) -> tuple[Path, ImageData]:
    """Return the image of a record, found and compared with it.

    Parameters
    ----------
    record_file
        Where the record lies; the image is looked for beside it.
    stem
        What the files of the export are called.
    record
        What it says.
    inputs
        The image if the user names it, else nothing.

    Raises
    ------
    ExportError
        It is not there, or its pixels are others.
    """
    from napari_ds2net.core.export.record import hash_pixels

    source = record.source
    if source is None:
        raise ExportError(f"{record_file} does not say which image it is of.")
    if len(inputs) > 1:
        raise ExportError(f"A record is of one image, and {len(inputs)} are named; name one.")
    told = ""
    for path in inputs or _candidates(record_file, stem, source):
        try:
            for image in _readings(path, record, source):
                if hash_pixels(image, frozenset(source.missing)) == source.sha256:
                    scale = _scale(image, source)
                    return path, dataclasses.replace(
                        image, scale=scale, unit=source.unit, windows=source.windows, notes=()
                    )
                told = f"{path} is not the image of the record: {_difference(image, source)}"
        except DS2NetError:
            if inputs:
                raise
        else:
            if inputs:
                raise ExportError(told)
    named = f", {source.name}," if source.name else ""
    raise ExportError(
        f"The image{named} of {record_file} is not beside it or in this folder; name it: ds2net "
        f"segment --replay {record_file} IMAGE"
    )


def _readings(path: Path, record: RunRecord, source: SourceRecord) -> Iterator[ImageData]:
    """Read what was segmented of a file, all of it, a frame, some channels; in every way there is.

    ``ds2net segment`` turns images upright, and makes colours of palettes, and 0 and 255 of true
    and false, as viewers do; napari reads many files as they are.

    Raises
    ------
    DS2NetError
        It cannot be read, or has no such frame or channels.
    """
    from napari_ds2net.core.array_files import holds_plain_array, open_array
    from napari_ds2net.core.file_kinds import is_zarr
    from napari_ds2net.core.stack_files import read_stack

    channels = record.origin.channels
    if is_of_big(record, path):
        from napari_ds2net.core.big.files import open_big, open_parts  # zarr takes its time

        if channels is None:
            yield open_big(path)
            return
        yield _named(_chosen(open_parts(path), path, source, channels), 0, path, source)
    plain = holds_plain_array(path)
    refusal: ImageError | None = None
    if channels is None and not is_zarr(path):
        try:
            yield _frame_of(read_stack(path), source)
        except ImageError as error:
            refusal = error
    if channels is None and not plain:
        if (unturned := _unturned(path, source)) is not None:
            yield unturned
        elif refusal is not None:
            raise refusal
        return
    array = open_array(path)
    if channels is not None:
        array = _chosen(array, path, source, channels)
    front = array.ndim - len(source.axes)
    if front not in (0, len(source.frame)):
        raise _others(path, tuple(array.shape), source)
    yield _frame_of(_named(array, front, path, source), source)


def _unturned(path: Path, source: SourceRecord) -> ImageData | None:
    """Read a file as napari does, where it has the shape that the record tells of."""
    from napari_ds2net.core.array_files import read_unturned, read_unturned_frame

    shape = tuple(source.shape)
    if source.frame:
        pixels = read_unturned_frame(path, source.frame, shape)
    else:
        pixels = read_unturned(path, shape)
    return None if pixels is None else _named(pixels, 0, path, source)


def _named(array: PixelArray, front: int, path: Path, source: SourceRecord) -> ImageData:
    """Give an array the axes of the record, with `front` that count frames."""
    from napari_ds2net.core.image import ImageData

    if source.axes.endswith("c") and array.shape[-1] != source.shape[-1]:
        raise _others(path, tuple(array.shape), source)
    return ImageData(array=array, axes=_FRONT[:front] + source.axes, name=path.stem)


def _chosen(
    array: PixelArray, path: Path, source: SourceRecord, channels: ChannelsRecord
) -> PixelArray:
    """Return the channels that the record names."""
    from napari_ds2net.core.big.files import without_single_axes
    from napari_ds2net.core.channels import ChosenChannels

    expected = len(source.frame) + len(source.axes.removesuffix("c")) + 1
    if array.ndim > expected:  # the command line leaves out axes of length 1, which zarr keeps
        array = without_single_axes(array)
    if array.ndim != expected:
        raise ExportError(
            f"{path} has the shape {tuple(array.shape)}, and the record tells of one of {expected} "
            f"axes with channels along axis {channels.axis}; name the image that was exported."
        )
    return ChosenChannels(array, channels.axis, channels.chosen)


def _frame_of(image: ImageData, source: SourceRecord) -> ImageData:
    """Return the frame of a stack that the record tells of; the image where it is of all."""
    if len(image.frames) != len(source.frame) or not source.frame:
        return image
    axes = image.axes[len(image.frames) :]
    pixels = image.frame(*source.frame)
    return dataclasses.replace(image, array=pixels, axes=axes, scale=image.scale[-2:], windows=())


def _others(path: Path, shape: tuple[int, ...], source: SourceRecord) -> ExportError:
    return ExportError(
        f"{path} has the shape {shape}, expected {tuple(source.shape)}"
        + (f" with {len(source.frame)} more axes in front" if source.frame else "")
        + "; name the image that was exported."
    )


def _candidates(record_file: Path, stem: str, source: SourceRecord) -> Iterator[Path]:
    """Go through the files that may be the image: by its name, or by the stem of the export."""
    from napari_ds2net.core.file_kinds import INPUT_SUFFIXES, is_zarr

    stems = dict.fromkeys([stem, _PLACE.sub("", stem)] if source.frame else [stem])
    names = [f"{each}{end}" for each in stems for end in (*INPUT_SUFFIXES, *_ZARR_ENDINGS)]
    folder = record_file.absolute().parent
    for place in dict.fromkeys((folder, folder.parent, Path.cwd())):
        for name in [source.name] if source.name else names:
            for path in (place / name, *place.glob(f"*/{name}")):
                if path.is_file() or is_zarr(path):
                    yield path


def _scale(image: ImageData, source: SourceRecord) -> tuple[float, ...]:
    return source.scale if len(source.scale) == len(image.scale) else image.scale


def _difference(image: ImageData, source: SourceRecord) -> str:
    """Say what is different about an image."""
    shape = tuple(int(n) for n in image.array.shape)
    dtype = str(image.frame(*(0 for _ in image.frames)).dtype)
    if (shape, dtype) != (tuple(source.shape), source.dtype):
        return (
            f"it has shape {shape} and type {dtype}, expected {tuple(source.shape)} and "
            f"{source.dtype}."
        )
    return "it has the same shape and type, but other pixels. Name the image that was exported."
