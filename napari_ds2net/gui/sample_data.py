"""What File > Open Sample > DS²Net offers: the drawn phantoms and their true masks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.phantoms import PAINTERS, Phantom

# napari's own form of a layer: data, keyword arguments of the layer, kind of layer.
LayerData = tuple[NDArray[np.generic], dict[str, Any], Literal["image", "labels"]]


def _layers(name: str) -> list[LayerData]:
    """Draw the phantom called `name`, lay its true mask over it, and say what it shows."""
    phantom = PAINTERS[name](0)
    _explain(phantom)
    title = name.replace("-", " ")
    about = {"description": phantom.description, "model": phantom.model}
    image: dict[str, Any] = {"name": title, "rgb": phantom.image.ndim == 3, "metadata": about}
    mask: dict[str, Any] = {"name": f"{title} true mask", "opacity": 0.4, "metadata": about}
    if phantom.image.ndim == 2:
        # The whole range of the type: contrast as the networks see it.
        image["contrast_limits"] = (0, 255)
    return [(phantom.image, image, "image"), (phantom.mask, mask, "labels")]


def _explain(phantom: Phantom) -> None:
    """Tell the user, in napari's way, what was drawn and which model is for it."""
    from napari.utils.notifications import show_info  # napari is there when it asks for samples

    show_info(f"{phantom.description} The model for it: {phantom.model}.")


def polyp() -> list[LayerData]:
    """Give napari a drawn colonoscopy frame with a polyp.

    Returns
    -------
    list of LayerData
        Image (480, 576, 3) uint8 and labels (480, 576) uint8, 1 on the polyp.
    """
    return _layers("polyp")


def breast_ultrasound() -> list[LayerData]:
    """Give napari drawn ultrasound of a breast with a lesion.

    Returns
    -------
    list of LayerData
        Image (420, 512) uint8 and labels (420, 512) uint8, 1 in the lesion.
    """
    return _layers("breast-ultrasound")


def normal_breast() -> list[LayerData]:
    """Give napari drawn ultrasound of a breast in which nothing is to be found.

    Returns
    -------
    list of LayerData
        Image (420, 512) uint8 and labels (420, 512) uint8, 0 everywhere.
    """
    return _layers("normal-breast")


def nuclei() -> list[LayerData]:
    """Give napari drawn fluorescent nuclei.

    Returns
    -------
    list of LayerData
        Image (512, 512) uint8 and labels (512, 512) uint16, one for each nucleus.
    """
    return _layers("nuclei")


def stained_nuclei() -> list[LayerData]:
    """Give napari drawn nuclei in stained tissue.

    Returns
    -------
    list of LayerData
        Image (512, 512, 3) uint8 and labels (512, 512) uint16, one for each nucleus.
    """
    return _layers("stained-nuclei")
