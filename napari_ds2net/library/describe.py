"""A model's card in words, for the command line and the window alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from napari_ds2net.library.store import ModelEntry, ModelLibrary
from napari_ds2net.network.card import SAME_RECIPE, ModelCard


def describe(entry: ModelEntry) -> list[tuple[str, str]]:
    """Return what a model's card says: a heading and a text for each fact, the text maybe empty."""
    card = entry.card
    height, width = card.input_size
    scale = card.super_resolution
    return [
        ("name", f"{entry.name} ({_origin(entry)})"),
        ("file", f"{entry.path} ({entry.path.stat().st_size / 1e6:.1f} MB)"),
        ("description", card.description),
        ("network", f"{entry.config.title}, {entry.config.channels} channels"),
        ("classes", ", ".join(card.classes)),
        ("framing", f"{card.framing.value}, {width}x{height} pixels"),
        ("mask", f"made at {width * scale}x{height * scale} pixels" if scale > 1 else ""),
        ("intensity", card.intensity.value),
        ("threshold", f"{card.threshold:g}"),
        ("touching objects", "separated" if card.split_touching else "kept together"),
        ("smallest object", f"{card.smallest_object_px} px" if card.smallest_object_px else ""),
        ("pixel size", f"{card.pixel_size_um:g} µm" if card.pixel_size_um else ""),
        *[
            ("trained on", f"{data.name}, {data.images} images ({data.terms})")
            for data in card.training_data
        ],
        ("started from", card.parent or ""),
        *_scores(card),
        ("licence", card.licence),
        ("made", " ".join([card.created, _flat(card.versions)]).strip()),
    ]


def _origin(entry: ModelEntry) -> str:
    """Say whose the model is."""
    if entry.bundled:
        return "package"
    return "yours" if entry.path.parent == ModelLibrary().root else "a file"


def _scores(card: ModelCard) -> Iterator[tuple[str, str]]:
    """Tell a network's own scores apart from those of others that its recipe made."""
    own = {key: value for key, value in card.scores.items() if key != SAME_RECIPE}
    if card.learned_from_all:
        del own["validation_images"]
        yield "scores", "none of its own: it learned from all images, and none was held out"
    for line in _lines(own):
        yield "scores", line
    for division, sources in _tables(card.scores.get(SAME_RECIPE)):
        for source, values in _tables(sources):
            rest = {key: value for key, value in values.items() if key != "images"}
            images = f"{values.get('images', 'some')} images of {source}"
            yield (
                "same recipe",
                f"a network that had not learned from these {images} ({division}): {_flat(rest)}",
            )


def _tables(values: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Return the tables in a table by name; nothing else, whatever a file's card holds."""
    if isinstance(values, dict):
        yield from ((str(key), value) for key, value in values.items() if isinstance(value, dict))


def _lines(values: Mapping[str, object]) -> Iterator[str]:
    """Write plain values in one line, and each table of values in one of its own."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if plain:
        yield _flat(plain)
    for key, value in values.items():
        if isinstance(value, dict):
            for line in _lines(value):
                yield f"{key}: {line}"


def _flat(values: Mapping[str, object]) -> str:
    """Write values in one line: ``images 100, dice 0.912 [0.9, 0.92]``."""
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def _text(value: object) -> str:
    """Write a value; three numbers are a mean with its interval."""
    match value:
        case [mean, low, high]:
            return f"{_text(mean)} [{_text(low)}, {_text(high)}]"
        case None:
            return "-"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)
