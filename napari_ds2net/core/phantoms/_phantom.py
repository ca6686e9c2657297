"""What a phantom is: a drawn image together with the exact mask of what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """A drawn image and its true mask.

    Attributes
    ----------
    name : str
        What the phantom is called in lists and menus: ``"polyp"``, ``"nuclei"``, ...
    model : str
        The bundled network that segments such an image.
    image : NDArray[np.uint8]
        (Y, X) grey or (Y, X, 3) RGB, in [0, 255].
    mask : NDArray[np.uint8] or NDArray[np.uint16]
        (Y, X). One object class: uint8, 0 or 1. Instances: uint16, 0 for the background and
        1..N, without gaps, for the objects.
    description : str
        One sentence for a person.
    """

    name: str
    model: str
    image: Image
    mask: Mask
    description: str
