"""Parts of the encoder that keep what ImageNet taught them."""

from __future__ import annotations

from torch import nn

from napari_ds2net.network.encoder import Encoder


def frozen_modules(encoder: Encoder, levels: int) -> list[nn.Module]:
    """Return the modules from the image up to and including the first `levels` pyramid levels.

    Parameters
    ----------
    encoder
        Its modules are registered in the order in which the image passes them.
    levels
        0 to 4.
    """
    if levels == 0:
        return []
    last = encoder.level_names()[levels - 1]
    names = {name for name, _ in encoder.body.named_modules()}
    last = last if last in names else last.replace(".", "_")  # timm flattens some pyramids
    passed: list[nn.Module] = []
    inside = False
    for name, module in encoder.body.named_modules():
        belongs = name == last or name.startswith(f"{last}.")
        if inside and not belongs:
            break
        inside = inside or belongs
        if _is_layer(module):
            passed.append(module)
    return passed


def _is_layer(module: nn.Module) -> bool:
    """Tell layers (with parameters of their own, or without children) from containers."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return bool(own) or not list(module.children())


def freeze(modules: list[nn.Module]) -> None:
    """Stop the gradients of `modules`."""
    for module in modules:
        module.requires_grad_(False)


def keep_statistics(modules: list[nn.Module]) -> None:
    """Keep the normalisation statistics of `modules` (and their dropout off) while training."""
    for module in modules:
        module.eval()
