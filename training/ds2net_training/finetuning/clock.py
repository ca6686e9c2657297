"""The time that a fine-tuning has, and how it is shared out."""

from __future__ import annotations

import time

_TOLD_EVERY_SECONDS = 0.2


class Clock:
    """Counts the seconds of a fine-tuning from the moment it is made.

    Parameters
    ----------
    seconds
        Time for everything.
    """

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = seconds
        self._told = 0.0

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds until the time is over, at least 0."""
        return max(0.0, self._seconds - self.passed)

    def may_tell(self) -> bool:
        """Tell whether it is time for another event of the kind that comes often."""
        now = time.monotonic()
        if now - self._told < _TOLD_EVERY_SECONDS:
            return False
        self._told = now
        return True
