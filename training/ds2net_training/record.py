"""What goes into the card of a trained network."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ds2net_training.dataset import Pair
from ds2net_training.settings import Settings
from napari_ds2net.network.card import ModelCard, TrainingData

_LIBRARIES = ("napari-ds2net", "torch", "torchvision", "timm", "numpy")


def make_card(
    settings: Settings, training: Sequence[Pair], scores: Mapping[str, Any], parent: str | None
) -> ModelCard:
    """Describe a network: what it is for, what it learned from, how it scores.

    Parameters
    ----------
    settings
        Of the training.
    training
        The pairs it learned from.
    scores
        Validation scores as measured.
    parent
        Name of the network it started from, or None.
    """
    model = settings.model
    counts = Counter(pair.source for pair in training)
    return ModelCard(
        name=model.name,
        description=model.description,
        licence=model.licence,
        classes=model.classes,
        framing=model.framing,
        intensity=model.intensity,
        input_size=(model.input_size, model.input_size),
        super_resolution=model.super_resolution,
        magnification=model.magnification,
        mean=model.mean,
        std=model.std,
        threshold=model.threshold,
        split_touching=model.split_touching,
        smallest_object_px=model.smallest_object_px,
        training_data=tuple(_data(settings, name, counts[name]) for name in sorted(counts)),
        recipe=settings.to_dict(),
        scores=dict(scores),
        parent=parent,
        versions=library_versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape a result."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def fingerprint(training: Sequence[Pair], validation: Sequence[Pair]) -> str:
    """Return a digest of the names and roles of all images."""
    digest = hashlib.sha256()
    for role, pairs in (("training", training), ("validation", validation)):
        for pair in pairs:
            digest.update(f"{role}/{pair.source}/{pair.name}\n".encode())
    return digest.hexdigest()


def _data(settings: Settings, name: str, images: int) -> TrainingData:
    terms = settings.data.terms.get(name)
    if terms is None:
        return TrainingData(name=name, images=images, terms="not stated")
    return TrainingData(name=name, images=images, terms=terms.terms, source=terms.source)
