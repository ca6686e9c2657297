"""Deterministic weights under the parameter names of the authors' releases.

No trained checkpoint is needed to check a reimplementation: every tensor is filled by a closed
formula of its name and shape, so the same state dict can be rebuilt anywhere with NumPy alone.
`ds2net_keys.json` and `m2snet_keys.json` hold the releases' parameter names and shapes, in order.
The golden files hold an input (`image`, float32, 1 x 3 x H x W, already normalised) and what the
authors' network gives for it with these weights in evaluation mode, float32:

    golden_ds2net_*.npz    `p1` .. `p6`, logits 1 x 1 x H x W (p1-p3: detail branch, coarse to
                           fine; p4-p6: semantic branch, coarse to fine)
    golden_m2snet_*.npz    `logit`, 1 x 1 x H x W

    python reference_weights.py ds2net out.pth     writes the state dict as the release would
"""

import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def wave(name: str, size: int) -> np.ndarray:
    """Values in [-1, 1], fixed by `name`: a sine over an irrational step."""
    start = zlib.crc32(name.encode()) % 100_003
    return np.sin((start + np.arange(size, dtype=np.float64)) * 12.9898 + start * 0.37)


def tensor(name: str, shape: list[int]) -> np.ndarray:
    """The tensor called `name` (float32, or int64 for BatchNorm counters)."""
    if name.endswith("num_batches_tracked"):
        return np.array(1, dtype=np.int64)
    values = wave(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("running_var"):
        return (1.0 + 0.5 * values**2).astype(np.float32)
    if name.endswith(("running_mean", "bias")):
        return (0.1 * values).astype(np.float32)
    if len(shape) == 1:  # the scale of a normalisation layer
        return (1.0 + 0.1 * values).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (values * math.sqrt(2.0 / fan_in)).astype(np.float32)


def image(height: int, width: int, seed: int) -> np.ndarray:
    """A smooth random picture, 1 x 3 x height x width, float32, about zero mean and unit range."""
    y, x = np.mgrid[:height, :width]
    planes = np.empty((1, 3, height, width), np.float32)
    for channel in range(3):
        k = 1 + seed + channel
        waves = np.sin(x / (7.0 + k)) * np.cos(y / (5.0 + 2 * k))
        planes[0, channel] = waves + 0.3 * np.sin((x * y) / (400.0 + k))
    return planes


def state_dict(system: str) -> dict[str, np.ndarray]:
    """The whole state dict of `system`, "ds2net" or "m2snet"."""
    keys = json.loads((HERE / f"{system}_keys.json").read_text())
    weights = {name: tensor(name, shape) for name, shape in keys}
    for name in ("conv_3.norm.running_var", "conv_5.norm.running_var"):
        if name in weights:  # the multi-scale units see box sums: their variances are of that size
            weights[name] = weights[name] * np.float32(1e4)
    return weights


if __name__ == "__main__":
    import torch

    system, path = sys.argv[1:]
    torch.save(
        {name: torch.from_numpy(np.asarray(value)) for name, value in state_dict(system).items()},
        path,
    )
