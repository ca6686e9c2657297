"""Times for people: as long as they are of use, and no longer."""

from __future__ import annotations

_MINUTE = 60
_HOUR = 3600


def duration_words(seconds: float) -> str:
    """Say how long something takes, in whole units: "7 s", "1 min 20 s", "2 h 5 min".

    Parameters
    ----------
    seconds
        Less than half a second is said as "1 s" too: an estimate of nothing is never right.
    """
    whole = max(1, round(seconds))
    if whole >= _HOUR:
        hours, minutes = divmod(round(whole / _MINUTE), _MINUTE)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    minutes, rest = divmod(whole, _MINUTE)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def left_words(seconds: float) -> str:
    """Say how long the rest takes: "7 s left", "1 min 20 s left"; `seconds` is an estimate."""
    return f"{duration_words(seconds)} left"
