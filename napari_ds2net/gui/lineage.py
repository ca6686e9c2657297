"""Which model came from which. Plain values: no Qt, no napari."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_ds2net.library import ModelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A model of a family, as it is listed.

    Attributes
    ----------
    name, parent
        Its own and that of the model it started from; empty for the first.
    date
        ISO 8601, to the minute; empty where the card has none.
    dice
        On the corrections that it did not learn from, in words; empty where nothing was tested.
    tip
        What else is known.
    kept_because
        Why it cannot be deleted; empty where it can.
    """

    name: str
    parent: str
    date: str
    dice: str
    tip: str
    kept_because: str


def family(
    entries: Sequence[ModelEntry], root: str, root_of: Callable[[str], str]
) -> tuple[Version, ...]:
    """Return a model and all that were fine-tuned from it, oldest first.

    Parameters
    ----------
    entries
        All models.
    root
        The oldest ancestor.
    root_of
        Gives a model's oldest ancestor.
    """
    members = [entry for entry in entries if root_of(entry.name) == root]
    members.sort(key=lambda entry: (entry.name != root, entry.card.created, entry.name))
    parents = {entry.card.parent for entry in members}
    return tuple(_version(entry, is_parent=entry.name in parents) for entry in members)


def _version(entry: ModelEntry, *, is_parent: bool) -> Version:
    """Describe a model; one of the package is the first of its family, whatever it began from."""
    card = entry.card
    after = _mean(card.scores.get("dice_after"))
    before = _mean(card.scores.get("dice_before"))
    lines = [card.description, str(card.scores.get("verdict", ""))]
    if card.parent and not entry.bundled:
        lines.append(f"Started from {card.parent}")
    if before is not None and after is not None:
        lines.append(f"Dice {before:.3f} before, {after:.3f} after")
    kept = ""
    if entry.bundled:
        kept = "It came with the package and cannot be deleted."
    elif is_parent:
        kept = "Another model started from it; delete that one first."
    return Version(
        name=entry.name,
        parent="" if entry.bundled or card.parent in (None, entry.name) else card.parent,
        date="" if entry.bundled else card.created[:16].replace("T", " "),
        dice="" if after is None else f"{after:.3f}",
        tip="\n".join(line for line in lines if line),
        kept_because=kept,
    )


def _mean(score: Any) -> float | None:
    """Return the mean of a card's ``[mean, low, high]``."""
    match score:
        case [float() | int() as mean, *_]:
            return float(mean)
        case _:
            return None
