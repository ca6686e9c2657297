"""Segmentation from Python: one call per image, networks kept loaded between calls."""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from napari_ds2net.core.device import ComputePlan, choose_plan
from napari_ds2net.core.events import SteppedDown
from napari_ds2net.core.inference import predict_steps, prepare
from napari_ds2net.core.options import InferenceOptions
from napari_ds2net.core.prediction import Prediction
from napari_ds2net.library import ModelLibrary
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.checkpoint import build_network, load_checkpoint, load_parameters
from napari_ds2net.steps import Steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoadedModel", "Prediction", "forget_models", "load_model", "segment"]

_MOST_LOADED = 3
"""Networks kept in memory; a few MB to 100 MB each."""

_loaded: OrderedDict[tuple[Path, int, int, ComputePlan], LoadedModel] = OrderedDict()
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that is ready to predict: its file, its card, and how it computes."""

    path: Path
    card: ModelCard
    network: nn.Module
    plan: ComputePlan


def segment(
    image: NDArray[np.generic],
    model: str | Path = "polyp",
    *,
    device: str = "auto",
    options: InferenceOptions | None = None,
) -> Prediction:
    """Segment one image.

    Parameters
    ----------
    image
        An array (Y, X), (Y, X, 3) or (Y, X, 4) of any real type; alpha is ignored.
    model
        The name of a bundled model (``"polyp"``, ``"breast-ultrasound"``, ``"nuclei"``) or of one
        of your own, or the path of a ``.safetensors`` or released ``.pth`` file.
    device
        ``"auto"`` takes the fastest that is there; or a name such as ``"cpu"`` or ``"cuda:1"``.
    options
        Threshold, flips and post-processing; the model card's own if None.

    Returns
    -------
    Prediction
        `mask` (unsigned integers), `probability`, `detail_mask`, `semantic_mask` and `uncertainty`
        (float32 in [0, 1]), each of shape (Y, X).

    Warns
    -----
    RuntimeWarning
        Memory or precision gave out and it went on in a smaller or slower way.

    Raises
    ------
    ModelNotFoundError
        Neither a model nor a file is called so.
    CheckpointError
        The file is no network.
    ImageError
        The array is no image.
    DeviceError
        The device is not there.

    Examples
    --------
    >>> import numpy as np, napari_ds2net
    >>> prediction = napari_ds2net.segment(np.zeros((240, 320, 3), np.uint8))  # doctest: +SKIP
    >>> prediction.mask.shape  # doctest: +SKIP
    (240, 320)
    """
    loaded = load_model(model, device)
    steps = Steps(predict_steps(image, loaded.network, loaded.card, loaded.plan, options))
    for event in steps:
        if isinstance(event, SteppedDown):
            warnings.warn(event.reason, RuntimeWarning, stacklevel=2)
    return steps.result


def load_model(model: str | Path, device: str = "auto") -> LoadedModel:
    """Return a model ready to predict, from memory if it is there and its file has not changed.

    Parameters
    ----------
    model, device
        As for `segment`.

    Raises
    ------
    ModelNotFoundError, CheckpointError, DeviceError
        As for `segment`.
    """
    plan = choose_plan(device)
    path = ModelLibrary().find(model).resolve()
    status = path.stat()
    key = (path, status.st_mtime_ns, status.st_size, plan)
    with _lock:
        if key not in _loaded:
            _loaded[key] = _load(path, plan)
        _loaded.move_to_end(key)
        while len(_loaded) > _MOST_LOADED:
            _loaded.popitem(last=False)
        return _loaded[key]


def forget_models() -> None:
    """Free the memory of the networks that `segment` keeps loaded."""
    with _lock:
        _loaded.clear()


def _load(path: Path, plan: ComputePlan) -> LoadedModel:
    """Build the network of a file and make it fast."""
    checkpoint = load_checkpoint(path)
    network = build_network(checkpoint.config)
    load_parameters(network, checkpoint.state, path.name)
    return LoadedModel(path, checkpoint.card, prepare(network.eval(), plan), plan)
