"""Keys, in napari's shortcut system: listed and changed under Preferences > Shortcuts.

They act while a mask or an image is selected, where napari keeps the keys of that kind of layer,
and do nothing on layers that are not this plugin's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer
from napari.utils.action_manager import action_manager

if TYPE_CHECKING:
    from napari_ds2net.gui.controller import SegmentController

_controllers: weakref.WeakSet[SegmentController] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Key:
    """A key, what it is called in the preferences, and the panel's signal that it emits."""

    name: str
    key: str
    description: str
    signal: str


KEYS = (
    _Key("accept", "A", "Accept the mask and go to the next image (DS²Net)", "accept_requested"),
    _Key("next_place", "N", "Show the next uncertain place (DS²Net)", "next_requested"),
    _Key("in_turn", "T", "Show the review layers in turn (DS²Net)", "turn_requested"),
)


def register_shortcuts(controller: SegmentController) -> None:
    """Let the keys act on this panel's layers too."""
    if not _controllers:
        for kind in (Labels, Image):
            for key in KEYS:
                name = f"napari-ds2net:{key.name}_{kind.__name__.lower()}"
                action_manager.register_action(name, _action(key), key.description, kind)
                if name not in _bound:
                    _bound.add(name)
                    action_manager.bind_shortcut(name, key.key)
    _controllers.add(controller)


_bound: set[str] = set()


def _action(key: _Key) -> Callable[[Layer], None]:
    """Return what a key does when a layer of its kind is selected."""

    def act(layer: Layer) -> None:
        for controller in list(_controllers):
            if not controller.is_closed and controller.owns(layer):
                getattr(controller.panel, key.signal).emit()

    act.__name__ = key.name
    act.__doc__ = key.description
    return act
