"""Training and validation images, split by group and never by chance alone.

Neighbouring frames of a sequence and near-duplicates are one group; a group is never divided.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ds2net_training.dataset import Pair, Sample
from napari_ds2net.workspace.similarity import correlations, detail_vectors


def group_samples(
    samples: Sequence[Sample],
    similarity: float,
    sequence_starts: Mapping[str, Sequence[int]] | None = None,
) -> NDArray[np.int64]:
    """Return the group of every sample.

    Parameters
    ----------
    samples
        Decoded images.
    similarity
        Correlation of two thumbnails, or of one with the other's mirror image, from which both
        are in one group.
    sequence_starts
        Per data set the first frame number of each sequence; file names are frame numbers there.

    Returns
    -------
    int64, shape (len(samples),), groups 0, 1, 2, ...
    """
    vectors = detail_vectors([sample.image for sample in samples])
    alike = correlations(vectors, vectors)
    first, second = np.nonzero(np.triu(alike >= similarity, k=1))
    chained = _sequences([sample.pair for sample in samples], sequence_starts or {})
    rows = np.concatenate([first, chained[:, 0]])
    columns = np.concatenate([second, chained[:, 1]])
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(samples),) * 2)
    _, groups = connected_components(links, directed=False)
    return np.asarray(groups, dtype=np.int64)


def hold_out(
    groups: NDArray[np.int64], sources: Sequence[str], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Choose the validation images, whole groups at a time, from every source alike.

    Parameters
    ----------
    groups
        Group of every image, from `group_samples`.
    sources
        Data set of every image.
    fraction
        Share to hold out, in (0, 1).
    seed
        Fixes the choice.

    Returns
    -------
    bool, shape (images,), true for validation, at most the wanted share of every source. Groups
    larger than what is still wanted stay in training, so a source of few large groups may have
    no image here.
    """
    chosen = np.zeros(len(groups), dtype=bool)
    names = np.asarray(sources)
    for source in sorted(set(sources)):
        members = np.flatnonzero(names == source)
        wanted = fraction * len(members)
        rng = np.random.default_rng((seed, len(members)))
        order = rng.permutation(np.unique(groups[members]))
        held = 0
        for group in order[:-1] if len(order) > 1 else []:
            size = int(np.sum(groups == group))
            if held + size <= max(wanted, 1):
                chosen |= groups == group
                held += size
    return chosen


def _sequences(pairs: Sequence[Pair], starts: Mapping[str, Sequence[int]]) -> NDArray[np.intp]:
    """Return links (a, b) between the frames of each known sequence, shape (links, 2)."""
    first_of: dict[tuple[str, int], int] = {}
    links: list[tuple[int, int]] = []
    for index, pair in enumerate(pairs):
        number = re.search(r"\d+", pair.name)
        if pair.source not in starts or number is None:
            continue
        sequence = (pair.source, bisect_right(list(starts[pair.source]), int(number[0])))
        links.append((first_of.setdefault(sequence, index), index))
    return np.asarray(links, dtype=np.intp).reshape(-1, 2)
