"""How many processor cores there are to use. No torch in here."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Return the number of physical cores that this process may use, at least 1.

    Hyperthreads count once; a process pinned to some cores (``taskset``, batch systems) or bounded
    by a container's quota gets no more threads than that.
    """
    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    per_core = max(1, logical // physical)
    return max(1, min(physical, math.ceil(allowed / per_core), _quota()))


def _quota() -> int:
    """Return the cores that a Linux container may use; very many where there is no bound."""
    unbounded = 1 << 16
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return unbounded if quota == "max" else max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return unbounded
