"""What a network is made of: the few choices that fix every parameter's shape."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from napari_ds2net.errors import CheckpointError

ARCHITECTURES = {"ds2net": "DS²Net", "m2snet": "M²SNet"}
"""The decoder families by their name in files and recipes, and how people write them."""
M2SNET_ENCODER = "res2net50d"
M2SNET_CHANNELS = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The shape of a network.

    Attributes
    ----------
    architecture
        Name of the decoder family; ``"ds2net"`` or ``"m2snet"``.
    encoder
        A timm model with a feature pyramid of strides 4, 8, 16 and 32. The papers' are
        ``"pvt_v2_b2"`` for DS2Net and ``"res2net50d"`` for M2SNet; ``"mobilenetv2_100"`` is the
        small one for CPUs.
    outputs
        K, the number of output channels; 1 in the paper. Each channel is an independent sigmoid.
    channels
        Width of the decoder; 32 in the paper of DS2Net, 64 in that of M2SNet.

    Raises
    ------
    CheckpointError
        A value is out of range.
    """

    architecture: str = "ds2net"
    encoder: str = "pvt_v2_b2"
    outputs: int = 1
    channels: int = 32

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        if self.architecture not in ARCHITECTURES:
            raise CheckpointError(
                f"The architecture is {self.architecture!r}; this version knows "
                f"{', '.join(ARCHITECTURES)}. A newer napari-ds2net may know it."
            )
        for name in ("outputs", "channels"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise CheckpointError(
                    f"{name} is {value!r}; expected a whole number of at least 1."
                )
        if self.architecture == "ds2net" and self.channels < 16:
            raise CheckpointError(
                f"channels is {self.channels}; expected at least 16, because channel attention "
                "reduces 16-fold."
            )
        if self.has_stem_level and self.channels != M2SNET_CHANNELS:
            raise CheckpointError(
                f"channels is {self.channels}; expected {M2SNET_CHANNELS} for M2SNet on "
                f"{M2SNET_ENCODER}, whose stem has so many and is used as it is."
            )

    @property
    def has_stem_level(self) -> bool:
        """Whether the encoder's stem is a level of its own: M2SNet on the paper's encoder."""
        return self.architecture == "m2snet" and self.encoder == M2SNET_ENCODER

    @property
    def title(self) -> str:
        """What the network is, in words: ``"M²SNet on mobilenetv2_100"``."""
        return f"{ARCHITECTURES[self.architecture]} on {self.encoder}"

    def to_json(self) -> str:
        """Return the configuration as a JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NetworkConfig:
        """Read what `to_json` wrote.

        Raises
        ------
        CheckpointError
            The text is no JSON object, or has keys that this version does not know.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        try:
            values: Any = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"The network configuration is not JSON: {error}.") from error
        if not isinstance(values, dict) or not set(values) <= fields:
            raise CheckpointError(
                f"The network configuration {text[:80]!r} is not understood; expected an object "
                f"with {', '.join(sorted(fields))}. A newer napari-ds2net may have written it."
            )
        for name in ("architecture", "encoder"):
            if not isinstance(values.get(name, ""), str):
                raise CheckpointError(f"The {name} is {values[name]!r}; expected a name.")
        return cls(**values)
