"""Where ``ds2net segment`` has its images segmented: in this process, or on a dask cluster."""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_ds2net.errors import DS2NetError, EngineError
from napari_ds2net.library import ModelLibrary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ds2net.api import LoadedModel
    from napari_ds2net.core.events import Event
    from napari_ds2net.core.options import InferenceOptions
    from napari_ds2net.core.prediction import Prediction
    from napari_ds2net.engine.jobs import SegmentEvent
    from napari_ds2net.network.card import ModelCard

E = TypeVar("E")
OnEvent = Callable[["Event"], None]


class Predictor(Protocol):
    """Segments image files."""

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        ...

    @property
    def path(self) -> Path:
        """File of the model."""
        ...

    def predict(self, pixels: NDArray[Any], on_event: OnEvent) -> Prediction:
        """Segment one image, (Y, X) or (Y, X, channels).

        Raises
        ------
        DS2NetError
            The image, the model or the place does not do.
        """
        ...


class LocalPredictor:
    """Computes in this process."""

    def __init__(self, loaded: LoadedModel, options: InferenceOptions) -> None:
        self._loaded = loaded
        self._options = options

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._loaded.card

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._loaded.path

    def predict(self, pixels: NDArray[Any], on_event: OnEvent) -> Prediction:
        """Segment one image; see `Predictor`."""
        from napari_ds2net.core.inference import predict_steps

        loaded = self._loaded
        steps = predict_steps(pixels, loaded.network, loaded.card, loaded.plan, self._options)
        while True:
            try:
                on_event(next(steps))
            except StopIteration as stop:
                result: Prediction = stop.value
                return result


class ClusterPredictor:
    """Has a worker of a dask cluster compute; images are read here and sent.

    Parameters
    ----------
    address
        Of the scheduler; what else it needs, such as TLS files, is in the engine's settings.
    model
        Name or path; it has to be the same model there as here.
    device, options
        As for `napari_ds2net.segment`.

    Raises
    ------
    DS2NetError
        The address or the settings make no sense, or there is no such model.
    """

    def __init__(self, address: str, model: str, device: str, options: InferenceOptions) -> None:
        from napari_ds2net.engine import Engine, load_settings

        settings = dataclasses.replace(load_settings(), scheduler_address=address)
        self._entry = ModelLibrary().entry(model)
        self._choices = (model, device, options, None)
        self._engine = Engine(settings)

    def __enter__(self) -> ClusterPredictor:
        """Load the model there, so that what is wrong is told once and not for every image."""
        from napari_ds2net.engine.jobs import warm_up

        model, device, *_ = self._choices
        try:
            self._do(warm_up, model, device)
        except DS2NetError:
            self._engine.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._engine.close()

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._entry.card

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._entry.path

    def predict(self, pixels: NDArray[Any], on_event: OnEvent) -> Prediction:
        """Segment one image; see `Predictor`."""
        from napari_ds2net.core.image import ImageData
        from napari_ds2net.engine.jobs import FrameDone, FrameStarted, segment_frames

        predictions: list[Prediction] = []

        def note(event: SegmentEvent) -> None:
            if isinstance(event, FrameDone):
                predictions.append(event.prediction)
            elif not isinstance(event, FrameStarted):
                on_event(event)

        frame = ImageData.from_array(pixels)
        self._do(segment_frames, frame, [()], *self._choices, on_event=note)
        return predictions[0]

    def _do(
        self,
        steps: Callable[..., Generator[E, None, object]],
        *args: object,
        on_event: Callable[[E], None] = lambda _: None,
    ) -> None:
        """Have a job done and wait for its end; events are told in this thread."""
        told: queue.SimpleQueue[tuple[E] | DS2NetError | None] = queue.SimpleQueue()
        self._engine.submit(
            steps,
            *args,
            on_event=lambda event: told.put((event,)),
            on_finished=lambda _: told.put(None),
            on_failed=told.put,
            on_cancelled=lambda: told.put(EngineError("The work was cancelled; start it again.")),
        )
        while (news := told.get()) is not None:
            if isinstance(news, DS2NetError):
                raise news
            on_event(*news)
