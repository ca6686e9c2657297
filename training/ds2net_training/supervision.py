"""Uncertainty-weighted deep supervision (DS2Net) for any network with several supervised outputs.

In a training loop of one's own it takes two lines::

    supervision = supervise(network(image), mask)
    supervision.loss.backward()

where the network returns logits of any number and size, such as the side outputs of a U-Net.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch

from ds2net_training.losses import deep_supervision_loss, make_target
from ds2net_training.settings import LossSettings
from napari_ds2net.errors import SettingsError


@runtime_checkable
class DeeplySupervised(Protocol):
    """What a deeply supervised network returns; so do all networks of this project."""

    @property
    def stage_logits(self) -> Sequence[torch.Tensor]:
        """The stages' logits, each (N, K, h, w) at a size of its own."""
        ...


class Supervision(NamedTuple):
    """The loss of a batch.

    Attributes
    ----------
    loss
        Scalar with gradient.
    weights
        float, shape (stages,), range (0, 1], without gradient.
    """

    loss: torch.Tensor
    weights: torch.Tensor


def supervise(
    output: DeeplySupervised | Sequence[torch.Tensor],
    mask: torch.Tensor,
    settings: LossSettings | None = None,
    known: torch.Tensor | None = None,
) -> Supervision:
    """Return the structure losses of all stages, weighted and added up.

    Parameters
    ----------
    output
        What the network returned: its stage logits, or something that has them. Each float, shape
        (N, K, h, w), in any order and of any size.
    mask
        float, shape (N, 1 or K, H, W), range [0, 1].
    settings
        ``weights`` is ``"adaptive"`` (by default: the paper's, by the stages' uncertainty),
        ``"fixed"`` or ``"uniform"``; also the form of the structure loss and the temperature.
    known
        float, shape (N, 1 or K, H, W), 1 where the mask was reviewed; None: everywhere.

    Raises
    ------
    SettingsError
        There is no stage, or one has another number of images or channels than the others.
    """
    stages = list(output.stage_logits if isinstance(output, DeeplySupervised) else output)
    shapes = {tuple(logit.shape[:2]) for logit in stages}
    if len(shapes) != 1:
        found = ", ".join(str(tuple(logit.shape)) for logit in stages) or "none"
        raise SettingsError(
            f"The stages' logits have the shapes {found}; expected at least one, and all with the "
            "same number of images and channels."
        )
    settings = settings or LossSettings()
    wanted = mask.to(stages[0].dtype).expand(-1, stages[0].shape[1], -1, -1)
    loss, weights = deep_supervision_loss(stages, make_target(wanted, settings, known), settings)
    return Supervision(loss, weights)
