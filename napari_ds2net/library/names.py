"""What a model may be called, and which names are near a mistyped one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from napari_ds2net.errors import SettingsError

BUNDLED_NAMES = ("polyp", "breast-ultrasound", "nuclei")
"""The models of every release; no model of the user's takes one of these names."""

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"-\d+$")
_LONGEST_STEM = 58
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_name(name: str) -> str:
    """Return `name` when it is one that every file system can hold as a file name.

    Raises
    ------
    SettingsError
        The name is empty, longer than 64 characters, has other characters than letters, digits,
        ``.``, ``_`` and ``-``, starts with a mark, ends in a dot, or is a Windows device.
    """
    if not _ALLOWED.fullmatch(name) or name.endswith(".") or _WINDOWS_DEVICES.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be the name of a model; expected 1 to 64 letters, digits, '-', '_' "
            "or '.', starting with a letter or digit, such as 'my-polyp-2'."
        )
    return name


def is_name(name: str) -> bool:
    """Tell whether `check_name` accepts `name`."""
    try:
        check_name(name)
    except SettingsError:
        return False
    return True


def same_name(first: str, second: str) -> bool:
    """Tell whether two names are one file where capitals do not count (macOS, Windows)."""
    return first.casefold() == second.casefold()


def next_name(root: str, taken: Collection[str]) -> str:
    """Return the next free name of a family: ``polyp-2`` after ``polyp``, then ``polyp-3``."""
    stem = _NUMBER.sub("", root)[:_LONGEST_STEM]
    number = 2
    while any(same_name(f"{stem}-{number}", other) for other in taken):
        number += 1
    return f"{stem}-{number}"


def nearest_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of `names` that look like `name`, the most alike first."""
    known = {candidate.casefold(): candidate for candidate in names}
    wanted = name.casefold()
    alike = difflib.get_close_matches(wanted, known, n=count, cutoff=0.5)
    containing = [key for key in known if wanted and (wanted in key or key in wanted)]
    return [known[key] for key in dict.fromkeys([*alike, *containing])][:count]


def unknown_name(name: str, known: Sequence[str]) -> str:
    """Return the sentence that no model is called `name`, with the nearest of those `known`."""
    nearest = nearest_names(name, known)
    if nearest:
        return f"There is no model {name!r}. Did you mean {' or '.join(map(repr, nearest))}?"
    if not known:
        return (
            f"There is no model {name!r}: no models are installed. Import one with "
            "'ds2net models import FILE', or give the path of a file of weights."
        )
    return f"There is no model {name!r}; the models are {', '.join(known)}."
