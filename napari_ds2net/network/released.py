"""Names of the parameters in the authors' releases, and what this project calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch

_Rules = tuple[tuple[str, Callable[[re.Match[str]], str]], ...]

_DECODER: _Rules = (
    (r"Translayer1_(\d)\.conv\.(\d)\.", lambda m: f"laterals.{m[1]}.{m[2]}."),
    (r"DEM(\d)\.conv_pool\.", lambda m: f"detail_stream.{int(m[1]) - 1}.fuse."),
    (r"DEM(\d)\.conv1\.", lambda m: f"detail_stream.{int(m[1]) - 1}.mask_in."),
    (r"DEM(\d)\.conv2\.", lambda m: f"detail_stream.{int(m[1]) - 1}.mask_out."),
    (r"SEM(\d)\.sa\.conv1\.", lambda m: f"semantic_stream.{int(m[1]) - 1}.spatial.conv."),
    (r"SEM(\d)\.ca\.fc1\.", lambda m: f"semantic_stream.{int(m[1]) - 1}.channel.reduce."),
    (r"SEM(\d)\.ca\.fc2\.", lambda m: f"semantic_stream.{int(m[1]) - 1}.channel.expand."),
    (r"SEM(\d)\.conv1\.", lambda m: f"semantic_stream.{int(m[1]) - 1}.mask."),
    (r"output_conv(\d)\.", lambda m: f"heads.{int(m[1]) - 1}."),
)
_PVT: _Rules = (
    (r"patch_embed1\.", lambda m: "patch_embed."),
    (r"patch_embed(\d)\.", lambda m: f"stages_{int(m[1]) - 1}.downsample."),
    (r"block(\d)\.(\d+)\.", lambda m: f"stages_{int(m[1]) - 1}.blocks.{m[2]}."),
    (r"norm(\d)\.", lambda m: f"stages_{int(m[1]) - 1}.norm."),
)
_M2SNET: _Rules = (
    (r"resnet\.", lambda m: "encoder.body."),
    (r"conv_([35])\.norm\.", lambda m: f"filters.{(int(m[1]) - 3) // 2}.norm."),
    (r"x(\d)_dem_1\.", lambda m: f"sides.{int(m[1]) - 1}."),
    (r"x5_dem_4\.", lambda m: "before_last."),
    (r"x5_dem_5\.", lambda m: "entry."),
    (r"(?:x\d_)+x\d\.", lambda m: _unit(m[0])),
    (r"level(\d)\.", lambda m: f"merges.{int(m[1]) - 1}."),
    (r"output1\.0\.", lambda m: "head."),
    (r"output(\d)\.", lambda m: f"descent.{4 - int(m[1])}."),
)
_CLASSIFIER = "resnet.fc."
_FIXED = re.compile(r"conv_[35]\.(weight|bias)")
_BACKBONE = "backbone1."
_BACKBONE_MARK = "patch_embed4.proj.weight"
_PVT_WIDTHS_AND_DEPTHS = {
    (32, 2): "pvt_v2_b0",
    (64, 2): "pvt_v2_b1",
    (64, 6): "pvt_v2_b2",
    (64, 18): "pvt_v2_b3",
    (64, 27): "pvt_v2_b4",
    (64, 40): "pvt_v2_b5",
}


def is_released_ds2net(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether `state` has the names of the authors' DS2Net."""
    return "output_conv6.weight" in state and f"{_BACKBONE}{_BACKBONE_MARK}" in state


def is_released_msnet(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether `state` has what the authors' MSNet and M2SNet have in common."""
    return "x5_x4_x3_x2_x1.0.weight" in state and "output1.0.weight" in state


def is_released_m2snet(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether `state` has the names of the authors' M2SNet."""
    return is_released_msnet(state) and "conv_3.norm.weight" in state


def is_released_backbone(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether `state` is a PVTv2 backbone alone, such as ``pvt_v2_b2.pth``."""
    return _BACKBONE_MARK in state


def rename_ds2net(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the authors' DS2Net `state` under this project's names."""
    renamed: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        if key.startswith(_BACKBONE):
            name = pvt_name(key.removeprefix(_BACKBONE))
            renamed |= {f"encoder.body.{name}": value} if name else {}
        else:
            renamed[_first_match(key, _DECODER)] = value
    return renamed


def rename_m2snet(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the authors' M2SNet `state` under this project's names.

    The encoder's classifier, which the network does not use, and the filters that never learn are
    left out; the latter are in files that were written on a CPU only.
    """
    left_out = fixed_filters(state)
    return {
        _first_match(key, _M2SNET): value
        for key, value in state.items()
        if key not in left_out and not key.startswith(_CLASSIFIER)
    }


def fixed_filters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return kernels and biases of M2SNet's fixed filters, which may be in `state`."""
    return {key: value for key, value in state.items() if _FIXED.fullmatch(key)}


def rename_backbone(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a PVTv2 `state` under timm's pyramid names, without the classifier."""
    names = {key: pvt_name(key) for key in state}
    return {name: state[key] for key, name in names.items() if name}


def pvt_name(key: str) -> str:
    """Return timm's name of a PVTv2 parameter, empty for the classifier."""
    if key.startswith("head."):
        return ""
    return _first_match(key, _PVT).replace(".dwconv.dwconv.", ".dwconv.")


def pvt_variant(state: Mapping[str, torch.Tensor], prefix: str = "") -> str | None:
    """Return timm's name of the PVTv2 whose released parameters are in `state`, or None."""
    stem = state.get(f"{prefix}patch_embed1.proj.weight")
    blocks = [key for key in state if key.startswith(f"{prefix}block3.")]
    depths = {int(key.removeprefix(f"{prefix}block3.").split(".")[0]) for key in blocks}
    if stem is None or not depths:
        return None
    return _PVT_WIDTHS_AND_DEPTHS.get((int(stem.shape[0]), max(depths) + 1))


def _unit(name: str) -> str:
    """Return our name of the subtraction unit ``x4_x3_x2.``: third level down, from the second."""
    levels = [int(part[1:]) for part in name.rstrip(".").split("_")]
    return f"columns.{len(levels) - 2}.{levels[-1] - 1}.fuse."


def _first_match(key: str, rules: _Rules) -> str:
    """Apply the first rule whose pattern begins `key`; an unknown key stays as it is."""
    for pattern, name in rules:
        match = re.match(pattern, key)
        if match is not None:
            return f"{name(match)}{key[match.end() :]}"
    return key
