"""The models that a panel offers, and what is said of each."""

from __future__ import annotations

from psygnal import Signal

from napari_ds2net.library import ModelEntry, ModelLibrary
from napari_ds2net.network.card import ModelCard


class ModelList:
    """The library's models, read again on request.

    Signals
    -------
    changed
        Models came or went.
    chosen
        The viewer's images are segmented with another model from now on.
    preferred
        A panel wishes that they are.
    """

    changed = Signal()
    chosen = Signal(str)
    preferred = Signal(str)

    def __init__(self, library: ModelLibrary | None = None) -> None:
        self.library = library or ModelLibrary()
        self._entries: dict[str, ModelEntry] = {}
        self._read()
        self.current = self.default()
        """The model that images are segmented with."""

    def refresh(self) -> None:
        """Read the library again, and tell whoever shows it."""
        self._read()
        self.changed.emit()

    def choose(self, name: str) -> None:
        """Note with which model images are segmented, and tell whoever follows it."""
        if name != self.current:
            self.current = name
            self.chosen.emit(name)

    def prefer(self, name: str) -> None:
        """Wish that images are segmented with a model, such as one that has become better."""
        self.preferred.emit(name)
        self.choose(name)

    def entries(self) -> tuple[ModelEntry, ...]:
        """Return the models, bundled ones first."""
        return tuple(self._entries.values())

    def names(self) -> tuple[str, ...]:
        """Return the names, bundled models first."""
        return tuple(self._entries)

    def is_bundled(self, name: str) -> bool:
        """Tell whether a model came with the package."""
        return name in self._entries and self._entries[name].bundled

    def default(self) -> str:
        """Return the model that is chosen at first, empty where there is none."""
        return next(iter(self._entries), "")

    def choices(self) -> list[tuple[str, str]]:
        """Return what a list shows, and the name behind it."""
        return [
            (name if entry.bundled else f"{name} (yours)", name)
            for name, entry in self._entries.items()
        ]

    def card(self, name: str) -> ModelCard:
        """Return a model's card, a plain one where the model is unknown."""
        entry = self._entries.get(name)
        return entry.card if entry is not None else ModelCard(name=name or "none")

    def tip(self, name: str) -> str:
        """Say in a few lines what a model is."""
        card = self.card(name)
        lines = [card.description, f"Finds: {', '.join(card.classes)}"]
        if name in self._entries:
            lines.append(f"Network: {self._entries[name].config.title}")
        if card.training_data:
            data = ", ".join(f"{d.name} ({d.images} images)" for d in card.training_data)
            lines.append(f"Learned from: {data}")
        if card.learned_from_all:
            lines.append("No score of its own: it learned from all images")
        if card.parent:
            lines.append(f"Started from: {card.parent}")
        return "\n".join(line for line in lines if line)

    def _read(self) -> None:
        self._entries = {entry.name: entry for entry in self.library.list()}
