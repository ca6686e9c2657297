"""Sample images that the package draws itself, with their true masks.

They show what the bundled networks segment, and nobody else's licence applies to them: every pixel
is computed, from a seed, with numpy, scipy and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from napari_ds2net.core.phantoms._phantom import Phantom
from napari_ds2net.core.phantoms.endoscopy import polyp_phantom
from napari_ds2net.core.phantoms.nuclei import nuclei_phantom, stained_nuclei_phantom
from napari_ds2net.core.phantoms.ultrasound import normal_breast_phantom, ultrasound_phantom

__all__ = [
    "PAINTERS",
    "Phantom",
    "normal_breast_phantom",
    "nuclei_phantom",
    "phantoms",
    "polyp_phantom",
    "stained_nuclei_phantom",
    "ultrasound_phantom",
]

PAINTERS: Mapping[str, Callable[[int], Phantom]] = MappingProxyType(
    {
        "polyp": polyp_phantom,
        "breast-ultrasound": ultrasound_phantom,
        "normal-breast": normal_breast_phantom,
        "nuclei": nuclei_phantom,
        "stained-nuclei": stained_nuclei_phantom,
    }
)
"""The function that draws each phantom, by the phantom's name."""


def phantoms(seed: int = 0) -> dict[str, Phantom]:
    """Draw every phantom.

    Parameters
    ----------
    seed : int
        The same seed gives the same pictures.

    Returns
    -------
    dict of str to Phantom
        By name: "polyp", "breast-ultrasound", "normal-breast" (with nothing to be found), "nuclei"
        and "stained-nuclei".
    """
    return {name: paint(seed) for name, paint in PAINTERS.items()}
