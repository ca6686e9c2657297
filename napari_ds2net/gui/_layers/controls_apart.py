"""Layers that get their place in the window first, and their controls a turn later."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from napari.utils.events import EventEmitter
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QStackedWidget, QWidget

if TYPE_CHECKING:
    from types import TracebackType

    from napari.components import LayerList
    from napari.utils.events import Event


class ControlsApart:
    """Within it layers are inserted without controls; `make` gives them theirs.

    napari makes what shows a layer, and the widgets with which it is changed, in one go, and half
    of the time goes into each. Only what is selected shows its widgets: so they can wait. They are
    made at once where somebody selects or removes a layer before; nothing finds them missing. Where
    napari keeps them otherwise than in a stack that follows the list of layers, they come with the
    layer.

    Parameters
    ----------
    layers
        Of the viewer.
    """

    def __init__(self, layers: LayerList) -> None:
        self._inserted: Any = layers.events.inserted
        self._removing: Any = layers.events.removing
        self._selected: Any = layers.selection.events.changed
        self._making = _Slots(self._inserted)
        self._showing = _Slots(self._selected)
        self._waiting: list[Event] = []
        self._is_open = False

    def __enter__(self) -> Self:
        """Let the controls of what is inserted wait from now on."""
        self._is_open = True
        self._making.block()
        self._showing.block()
        self._inserted.connect(self._on_inserted)
        self._removing.connect(self.make)
        self._selected.connect(self._on_selected)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Go on as napari does; what was inserted waits for `make`, except after an error."""
        self._inserted.disconnect(self._on_inserted)
        self._making.unblock()
        if kind is not None:
            self.make()

    def make(self) -> None:
        """Make the controls of what was inserted, if they have not been made."""
        if not self._is_open:
            return
        self._is_open = False
        self._removing.disconnect(self.make)
        self._selected.disconnect(self._on_selected)
        self._showing.unblock()
        with contextlib.suppress(RuntimeError):  # the window is being closed
            for event in self._waiting:
                self._making.call(event)
                self._making.put_off_polishing()

    def _on_inserted(self, event: Event) -> None:
        self._waiting.append(event)

    def _on_selected(self, event: Event) -> None:
        """Show the controls of what somebody has selected, once all are there."""
        self.make()
        self._showing.call(event)


class _Slots:
    """The methods of stacked widgets that follow an event."""

    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter
        self._stacks: list[QStackedWidget] = []
        self._slots: list[Any] = []
        for callback in emitter.callbacks:
            owner = callback[0]() if isinstance(callback, tuple) else None
            if isinstance(owner, QStackedWidget):
                self._stacks.append(owner)
                self._slots.append(getattr(owner, callback[1]))

    def block(self) -> None:
        """Let them not be called."""
        for slot in self._slots:
            self._emitter.block(slot)

    def unblock(self) -> None:
        """Let them be called again."""
        for slot in self._slots:
            self._emitter.unblock(slot)

    def call(self, event: Event) -> None:
        """Call them, with the event where they take one."""
        emitter = EventEmitter(type_name=event.type)
        for slot in self._slots:
            emitter.connect(slot)
        emitter(event)

    def put_off_polishing(self) -> None:
        """Have the newest pages styled when they are laid out; Qt would do it before it paints."""
        polishing = QEvent.Type.PolishRequest.value
        for stack in self._stacks:
            page = stack.widget(stack.count() - 1)
            for each in () if page is None else (page, *page.findChildren(QWidget)):
                QCoreApplication.removePostedEvents(each, polishing)
