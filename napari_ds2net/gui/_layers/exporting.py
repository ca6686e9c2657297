"""From the viewer's layers to what is exported: labels as they look now, their image and maps."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_ds2net.core.export.colours import Look
from napari_ds2net.core.export.formats import Format
from napari_ds2net.core.export.record import ModelRecord, Origin
from napari_ds2net.core.export.record_parts import ChannelsRecord, RegionRecord
from napari_ds2net.core.export.subject import ExportSubject, LabelMeaning
from napari_ds2net.core.image import ImageData, PixelArray
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.gui._layers.adapter import QUEUED_FROM, LayerAdapter
from napari_ds2net.gui._layers.source import RESULT_OF, ImageSource, likely_channel_axis
from napari_ds2net.gui._layers.target import ResultLayers
from napari_ds2net.gui.results import Frame
from napari_ds2net.library.files import sha256_of

if TYPE_CHECKING:
    from napari_ds2net.gui._layers.big_target import BigLayers

_FORMATS = {
    "probability": Format.PROBABILITY,
    "uncertainty": Format.UNCERTAINTY,
    "detail mask": Format.DETAIL,
    "semantic mask": Format.SEMANTIC,
}
_MOST_COPIED_BYTES = 256 * 2**20
"""Labels up to here are copied when Export is pressed, so that painting on goes nowhere else."""
_LUT = 1024
_DEPTH = {"z", "depth", "plane", "slice"}


@dataclass(frozen=True, slots=True)
class MadeBy:
    """How labels came to be, as far as the window knows.

    Attributes
    ----------
    model
        Name of the network, empty if there is none.
    settings
        What it was run with; None where frames differ or were not made by it.
    device
        Where.
    edited
        Whether a person changed them; None where nobody knows.
    regions
        The parts that were segmented, as for `Origin`.
    channels
        Those that the network saw; None for an image without an axis of channels.
    """

    model: str = ""
    settings: InferenceOptions | None = None
    device: str = ""
    edited: bool | None = None
    regions: tuple[RegionRecord, ...] = ()
    channels: ChannelsRecord | None = None


class ExportLayers:
    """What of a viewer can be exported; used on the main thread only.

    Signals
    -------
    changed
        Layers came, went, were renamed or selected.
    """

    changed = Signal()

    def __init__(self, layers: LayerAdapter) -> None:
        self._layers = layers
        self.viewer: napari.Viewer = layers.viewer
        events = self.viewer.layers.events
        self._events = [
            events.inserted, events.removed, events.renamed,
            self.viewer.layers.selection.events.active,
        ]  # fmt: skip
        for event in self._events:
            event.connect(self._on_layers_changed)
        layers.big_changed.connect(self._on_layers_changed)

    def close(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._on_layers_changed)
        self._layers.big_changed.disconnect(self._on_layers_changed)

    def _on_layers_changed(self) -> None:
        self.changed.emit()

    # ----------------------------------------------------------------- choices

    def labels(self) -> list[Labels]:
        """Return the label layers, the topmost last."""
        return [layer for layer in self.viewer.layers if isinstance(layer, Labels)]

    def images(self) -> list[Image]:
        """Return the image layers that are no results."""
        return self._layers.images()

    def preferred_labels(self, chosen: Labels | None = None) -> Labels | None:
        """Return the selected labels, else `chosen`, else the active image's, else the topmost."""
        active = self.viewer.layers.selection.active
        if isinstance(active, Labels):
            return active
        if chosen in self.labels():
            return chosen
        results = self._layers.existing_results(self._layers.active_image())
        there = self.labels()
        if results is not None and results.mask_layer in there:
            return results.mask_layer
        return there[-1] if there else None

    def image_of(self, labels: Labels) -> Image | None:
        """Return the image that labels were made for, or that they lie on by their shape."""
        results = self.results_of(labels)
        if results is not None:
            return results.source.layer
        images = self.images()
        named = [each for each in images if each.name == labels.metadata.get(RESULT_OF)]
        shape = _shape(labels)
        fitting = [
            each for each in named or images if shape in (_shape(each), _source(each).result_shape)
        ]
        return fitting[-1] if fitting else None

    def results_of(self, labels: Layer) -> ResultLayers | None:
        """Return the results to which a mask belongs that the network's panel fills."""
        for image in self.images():
            results = self._layers.existing_results(image)
            if results is not None and results.mask_layer is labels:
                return results
        return None

    def big_of(self, labels: Layer | None) -> BigLayers | None:
        """Return the result that is a folder, if labels are its mask."""
        return next((b for b in self._layers.big.values() if b.mask_layer is labels), None)

    def maps_of(self, image: Image | None) -> list[Format]:
        """Return the maps that there are of an image."""
        results = self._layers.existing_results(image)
        return [] if results is None or not results.results.done else list(_FORMATS.values())

    def frame_in_view(self, labels: Labels, image: Image | None) -> Frame:
        """Return the frame of labels that the viewer shows."""
        if image is not None:
            return self._layers.current_frame(self._source_of(image))
        point = tuple(float(at) for at in self.viewer.dims.point[-labels.ndim :])
        position = labels.world_to_data(point)[:-2]
        return tuple(
            min(max(round(float(at)), 0), length - 1)
            for at, length in zip(position, _shape(labels), strict=False)
        )

    def file_of(self, image: Image | None) -> Path | None:
        """Return the file of an image, None where it has none."""
        if image is None:
            return None
        path: Any = image.metadata.get(QUEUED_FROM) or image.source.path
        return None if path is None else Path(path)

    # ---------------------------------------------------------------- contents

    def subject(
        self,
        labels: Labels,
        image: Image | None,
        meaning: LabelMeaning,
        name: str,
        classes: Sequence[str],
        *,
        copied: bool = True,
    ) -> ExportSubject:
        """Take labels, their image and its maps as they are now.

        Parameters
        ----------
        labels, image
            The layers.
        meaning
            What the labels' numbers stand for.
        name
            What the files are called.
        classes
            Names of the classes, from 1.
        copied
            Whether labels that are not huge are copied, so that they can be painted on, and the
            colours taken; not needed where only shapes and names matter.

        Raises
        ------
        ExportError
            Labels and image do not fit together.
        ImageError
            The image is none that can be segmented.
        """
        source = None if image is None else self._source_of(image)
        data = None if source is None else _with_depth(source.image_data(), source)
        array = _label_array(labels, source, copied=copied)
        results = self._layers.existing_results(image)
        maps: dict[Format, PixelArray] = {}
        if results is not None and results.results.done:
            maps = {_FORMATS[each]: values for each, values in results.results.maps.items()}
        file = self.file_of(image)
        axes = _axes(labels) if data is None else data.axes.removesuffix("c")
        scale = tuple(labels.scale) if data is None else data.scale
        units = tuple(map(str, labels.units)) if source is None else _units(source)
        return ExportSubject(
            name=name,
            labels=array,
            maps=maps,
            axes=axes,
            scale=tuple(float(step) for step in scale),
            units=units,
            image=data,
            meaning=meaning,
            classes=tuple(classes),
            suffix=file.suffix if file is not None and file.suffix else ".png",
            look=_look(labels, image, source) if copied else Look(),
        )

    def look_of(self, labels: Labels, source: ImageSource) -> Look:
        """Take the colours that the window shows of labels and of the image they lie on."""
        return _look(labels, source.layer, source)

    def _source_of(self, image: Image) -> ImageSource:
        results = self._layers.existing_results(image)
        return _source(image) if results is None else results.source


def made_by(results: ResultLayers | None, frames: list[Frame]) -> MadeBy:
    """Say how the masks of some frames came to be."""
    if results is None:
        return MadeBy()
    frames = [f for f in frames if f in results.made or f not in results.unread] or frames
    edited = any(results.is_edited(frame) for frame in frames)
    made = [results.made.get(frame) for frame in frames]
    first = made[0]
    post = {results.mask_options.get(frame) for frame in frames}
    same = first is not None and all(each == first for each in made) and len(post) == 1
    if first is None or not same or first.is_mixed:
        return MadeBy(model=results.model, edited=edited)
    (options,) = post
    choices = {} if options is None else dataclasses.asdict(options)
    settings = dataclasses.replace(first.options, **choices)
    return MadeBy(first.model, settings, first.device, edited, first.regions, first.channels)


def as_origin(made: MadeBy, find: Callable[[str], Path]) -> Origin:
    """Put it into a record's words; reads the model's file, which `find` gives.

    Raises
    ------
    DS2NetError
        The model is gone.
    """
    model = None
    if made.model:
        model = ModelRecord(name=made.model, sha256=sha256_of(find(made.model)))
    return Origin(
        model=model,
        settings=made.settings,
        device=made.device,
        edited=made.edited,
        part=bool(made.regions),
        regions=made.regions,
        channels=made.channels,
    )


def one_frame(subject: ExportSubject, frame: Frame) -> ExportSubject:
    """Return a frame of a stack as an image of its own, under the frame's name."""
    if not frame:
        return subject
    image = subject.image
    if image is not None:
        axes = image.axes[len(frame) :]
        pixels = image.frame(*frame)
        window = image.window(*frame)
        image = dataclasses.replace(
            image, array=pixels, axes=axes, scale=image.scale[-2:],
            windows=() if window is None else (window,),
        )  # fmt: skip
    return dataclasses.replace(
        subject,
        name=subject.frame_name(frame),
        labels=None if subject.labels is None else subject.labels_of(frame),
        maps={what: subject.map_of(what, frame) for what in subject.maps},
        axes="yx",
        scale=subject.scale[-2:],
        units=subject.units[-2:],
        image=image,
        frame_of_stack=frame,
    )


def _source(image: Image) -> ImageSource:
    return ImageSource(image, likely_channel_axis(image))


def _shape(layer: Image | Labels) -> tuple[int, ...]:
    data: Any = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    return shape[:-1] if isinstance(layer, Image) and layer.rgb else shape


def _label_array(labels: Labels, source: ImageSource | None, *, copied: bool) -> PixelArray:
    """Return the labels without a channel axis, copied on demand where they are not huge."""
    array: Any = labels.data[0] if labels.multiscale else labels.data
    if source is not None and source.channel_axis is not None:
        at = source.channel_axis
        if tuple(array.shape) == source.full_shape:
            array = array[tuple(0 if axis == at else slice(None) for axis in range(array.ndim))]
    if copied and isinstance(array, np.ndarray) and array.nbytes <= _MOST_COPIED_BYTES:
        array = np.array(array)
    taken: PixelArray = array
    return taken


def _axes(labels: Labels) -> str:
    """Name the axes of labels without an image."""
    front = labels.ndim - 2
    return _letters("tzabdefgh"[:front], labels) + "yx"


def _with_depth(image: ImageData, source: ImageSource) -> ImageData:
    """Call the axis of a stack z where the layer does."""
    front = len(image.frames)
    letters = _letters(image.axes[:front], source.layer)
    return dataclasses.replace(image, axes=letters + image.axes[front:])


def _letters(letters: str, layer: Layer) -> str:
    names = [str(name).strip().lower() for name in layer.axis_labels]
    return "z" if len(letters) == 1 and _DEPTH.intersection(names[:-2]) else letters


def _units(source: ImageSource) -> tuple[str, ...]:
    """Return the unit of every axis of the results."""
    units = [str(unit) for unit in source.layer.units]
    if source.channel_axis is not None:
        del units[source.channel_axis]
    return tuple(units)


def _look(labels: Labels, image: Image | None, source: ImageSource | None) -> Look:
    """Take the colours that the window shows."""
    colours = copy.deepcopy(labels.colormap)

    def label_colours(values: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return np.asarray(colours.map(values), np.float64)

    contour = int(labels.contour)
    own: dict[str, Any] = {
        "label_colours": label_colours,
        "opacity": 0.0 if contour else float(labels.opacity),
        "contour_px": contour or None,
    }
    if image is None or image.rgb:
        return Look(**own)
    limits: Any = image.contrast_limits
    low, high = float(limits[0]), float(limits[1])
    one_channel = source is None or source.channel_axis is None
    ramp = np.asarray(image.colormap.map(np.linspace(0, 1, _LUT)))[:, :3]
    lut = np.rint(ramp * 255).astype(np.uint8) if one_channel else None
    return Look(limits=(low, high), gamma=float(image.gamma), colormap=lut, **own)
