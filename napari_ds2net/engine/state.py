"""What an engine can be at."""

from __future__ import annotations

import enum


class EngineState(enum.Enum):
    """What the engine is at."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
