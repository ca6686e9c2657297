"""Data sets read, decoded and split for a training."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ds2net_training.dataset import Sample, find_pairs, read_samples
from ds2net_training.events import ImagesRead
from ds2net_training.settings import Settings, settings_from_dict
from ds2net_training.split import group_samples, hold_out
from napari_ds2net.errors import DatasetError, SettingsError
from napari_ds2net.network.card import ModelCard


@dataclass(frozen=True, slots=True)
class SplitSamples:
    """Decoded images to learn from and to validate on, the latter with their groups' names.

    Where nothing is held out, there are none to validate on.
    """

    training: list[Sample]
    validation: list[Sample]
    validation_groups: list[str]


def division_settings(card: ModelCard) -> Settings:
    """Return the settings that divided the images of a network's training.

    Raises
    ------
    SettingsError
        The card has no recipe, or nothing was held out, so that nothing is left to score on.
    """
    recipe = {key: value for key, value in card.recipe.items() if key != "average_of"}
    if "data" not in recipe:
        raise SettingsError(
            f"The card of {card.name} has no recipe of a training, which would say what was set "
            "aside; score it on all images of a folder that it did not learn from."
        )
    settings = settings_from_dict(recipe)
    if settings.data.validation_fraction == 0:
        raise SettingsError(
            f"{card.name} learned from all images of its training: nothing was set aside that "
            "could be scored. Take images that it did not learn from, or a network that the same "
            "recipe made with a share held out."
        )
    return settings


def read_and_split(
    folders: Sequence[Path | str], settings: Settings
) -> Generator[ImagesRead, None, SplitSamples]:
    """Decode all images of `folders` and split them by group, where any are held out.

    Raises
    ------
    DatasetError
        A folder is not usable, or the images cannot be split.
    """
    pairs = [pair for folder in folders for pair in find_pairs(folder)]
    size = settings.data.cache_size or settings.model.output_size
    samples = yield from read_samples(
        pairs, settings.model, size, cut_seams=settings.data.cut_seams
    )
    if settings.data.validation_fraction == 0:
        return SplitSamples(training=samples, validation=[], validation_groups=[])
    groups = group_samples(samples, settings.data.similarity, settings.data.sequence_starts)
    sources = [pair.source for pair in pairs]
    held = hold_out(groups, sources, settings.data.validation_fraction, settings.seed)
    if held.all() or not held.any():
        raise DatasetError(
            f"The {len(pairs)} images form {len(set(groups.tolist()))} groups of similar images; "
            "expected at least two, one to learn from and one to validate on. Add other images."
        )
    return SplitSamples(
        training=[s for s, out in zip(samples, held, strict=True) if not out],
        validation=[s for s, out in zip(samples, held, strict=True) if out],
        validation_groups=[str(g) for g, out in zip(groups, held, strict=True) if out],
    )
