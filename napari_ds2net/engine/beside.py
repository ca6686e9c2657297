"""A second worker for long work: it stands back for the first, and is there while it is needed."""

from __future__ import annotations

import dataclasses

from napari_ds2net.engine.engine import Engine
from napari_ds2net.engine.process import memory_of_this_computer
from napari_ds2net.engine.settings import EngineSettings

IDLE_S = 120.0
"""Seconds after its last run at which the second worker ends; a new one takes seconds to start."""
NICENESS = 5
"""Where a process of usual priority wants the same core, one of this niceness gets a quarter of it.

More would starve a fine-tuning, which has its time, beside other programs that never rest.
"""
_SHARE_OF_MEMORY = 0.6


def engine_beside(settings: EngineSettings) -> Engine:
    """Return an engine for work that shall not hold up what another engine does.

    Its worker uses as many threads but stands back for the other one, so that it is as fast as
    alone while a person looks at a result. On the user's own cluster, the scheduler decides which
    worker does it.

    Parameters
    ----------
    settings
        Of the other engine.
    """
    beside = dataclasses.replace(settings, nice=max(NICENESS, settings.nice))
    if beside.memory_limit_gb is None:
        limit_gb = _SHARE_OF_MEMORY * memory_of_this_computer() / 1e9
        beside = dataclasses.replace(beside, memory_limit_gb=max(0.5, limit_gb))
    return Engine(beside, idle_s=IDLE_S)
