"""The result of segmenting one image, as one value. No torch in here: a viewer imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prediction:
    """What a network says of an image; every map has the image's own size (Y, X).

    Attributes
    ----------
    mask
        Unsigned integers of the smallest type that fits. One class: 0 and 1 (``uint8``), or a
        number per object where touching objects were split. Several classes: the class's number
        from 1, 0 where no class reaches the threshold.
    probability
        float32 in [0, 1]: sigmoid of the sum of the stage logits, never stretched. Of several
        classes, that of the most probable.
    detail_mask, semantic_mask
        float32 in [0, 1]. DS2Net: what the detail stream and the semantic stream let through at
        their finest scale. M2SNet: by how much its two finest levels differ, and its coarser ones
        (on average), as a share of what both say; see `M2SNet`.
    uncertainty
        float32 in [0, 1]: ``1 - |probability - 0.5| / 0.5``, the paper's measure, per pixel.
    class_map
        Several classes: unsigned integers, the most probable class's number from 1 at every pixel,
        whatever its probability. None for one class.
    seconds
        From the image to this result.
    device
        Where it was computed, as torch names it.
    model
        The name on the model's card.
    """

    mask: NDArray[Any]
    probability: NDArray[np.float32]
    detail_mask: NDArray[np.float32]
    semantic_mask: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    class_map: NDArray[Any] | None = None
    seconds: float = 0.0
    device: str = ""
    model: str = ""

    @property
    def foreground_share(self) -> float:
        """Part of the image's pixels that belong to the mask, in [0, 1]."""
        return float(np.count_nonzero(self.mask)) / self.mask.size

    @property
    def mean_uncertainty(self) -> float:
        """Mean of the uncertainty over all pixels, in [0, 1]: the paper's U of the fused map."""
        return float(self.uncertainty.mean(dtype=np.float64))


def uncertainty_of(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``1 - |p - 0.5| / 0.5``: 1 where p is 0.5, 0 where p is 0 or 1.

    Parameters
    ----------
    probability
        float32 in [0, 1], any shape.

    Returns
    -------
    float32 in [0, 1], the same shape.
    """
    uncertainty = np.asarray(probability * np.float32(2), np.float32)
    uncertainty -= np.float32(1)
    np.abs(uncertainty, out=uncertainty)
    return np.subtract(np.float32(1), uncertainty, out=uncertainty)
