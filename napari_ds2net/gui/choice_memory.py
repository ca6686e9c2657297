"""What an image was segmented with comes back with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject

from napari_ds2net.core.postprocess import PostprocessOptions
from napari_ds2net.gui._connections import Connections
from napari_ds2net.gui._layers import LayerAdapter, ResultLayers
from napari_ds2net.gui.model_choice import ModelChoice
from napari_ds2net.gui.model_list import ModelList
from napari_ds2net.gui.panels.segment import SegmentPanel
from napari_ds2net.gui.results import Frame

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choices:
    """A model, and how the mask is made of what it says.

    Attributes
    ----------
    model, flips, mask
        As in the panel. Without `mask`, the model's own options.
    """

    model: str
    flips: bool
    mask: PostprocessOptions | None

    @classmethod
    def of_result(cls, results: ResultLayers, frame: Frame) -> Choices | None:
        """Return those of a frame's result, of another frame's where it has none; None for none."""
        made = _of_frame(results.made, frame)
        if made is None:
            return None
        mask = _of_frame(results.mask_options, frame)
        if results.preferred_model in ("", made.model):
            return cls(made.model, made.options.flips, mask)
        return cls(results.preferred_model, made.options.flips, None)


class ChoiceMemory(QObject):
    """Shows the choices that belong to the image in view.

    An image with a result brings back what that was made with: the panel describes what is seen.
    One without has the model that was chosen for it, else the one that it names, else what was
    chosen last for work, not what was merely looked at since. A model
    that is preferred to others of its family, as after a fine-tuning, takes their place.

    Parameters
    ----------
    panel, layers, model, models
        Where choices are shown, the open images, who chooses models, and the library.
    root_of
        Gives a model's oldest ancestor.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        layers: LayerAdapter,
        model: ModelChoice,
        models: ModelList,
        root_of: Callable[[str], str],
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._layers = layers
        self._model = model
        self._models = models
        self._root_of = root_of
        self._image: object | None = None
        self._own: Choices | None = None
        self._chosen: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        panel.model_chosen.connect(self._on_model_chosen)
        self.connections = Connections()
        self.connections.add(models.preferred, self._on_model_preferred)

    def keep(self) -> None:
        """Take what is shown for what was chosen for work, because it is used."""
        self._own = None

    def follow(self, image: object | None, made: Choices | None, suited: str) -> None:
        """Show the choices that belong to an image, once when it comes into view.

        Parameters
        ----------
        image
            The image in view.
        made
            What its result was made with; None where it has none.
        suited
            The model that it names; empty where it names none.
        """
        if image is self._image:
            return
        self._image = image
        wished = suited if image is None else self._chosen.get(image, suited)
        if made is not None:
            self._show_made(made)
        elif wished in self._models.names():
            self._own = None
            self._model.prefer(wished)
        elif self._own is not None:
            self._show(self._own)
            self._own = None

    def _show_made(self, made: Choices) -> None:
        options = self._panel.options
        shown = Choices(self._panel.model, options.flips, options.postprocessing(self._model.card))
        if self._own is None:
            self._own = shown
        if made.model not in self._models.names():
            self._panel.set_status(f"The model of this result, {made.model!r}, is not there.")
        elif made.model != shown.model:
            self._panel.set_status(f"{made.model!r} made this result; its choices are back.")
        self._show(made)

    def _show(self, choices: Choices) -> None:
        self._model.prefer(choices.model)
        if choices.mask is not None and self._panel.model == choices.model:
            self._panel.set_mask_options(choices.mask, choices.flips)

    def _on_model_chosen(self) -> None:
        self.keep()
        if self._image is not None:
            self._chosen[self._image] = self._panel.model

    def _on_model_preferred(self, name: str) -> None:
        """Let it take the place of its relatives wherever they made a result."""
        self.keep()
        root = self._root_of(name)
        for image, chosen in list(self._chosen.items()):
            if self._root_of(chosen) == root:
                self._chosen[image] = name
        for image in self._layers.images():
            results = self._layers.existing_results(image)
            if results is not None and results.made and self._root_of(results.model) == root:
                results.preferred_model = name


def _of_frame(known: dict[Frame, T], frame: Frame) -> T | None:
    return known[frame] if frame in known else next(reversed(known.values()), None)
