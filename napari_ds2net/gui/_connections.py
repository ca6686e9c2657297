"""Connections to what outlives a panel, undone together when the panel goes."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import SignalInstance


class Connections:
    """Remembers which slots were connected to which signals."""

    def __init__(self) -> None:
        self._made: list[tuple[SignalInstance, Callable[..., object]]] = []

    def add(self, signal: SignalInstance, slot: Callable[..., object]) -> None:
        """Connect a slot."""
        signal.connect(slot)
        self._made.append((signal, slot))

    def close(self) -> None:
        """Disconnect all slots."""
        for signal, slot in self._made:
            signal.disconnect(slot, missing_ok=True)
        self._made.clear()
