"""Files of a workspace that are not as they were written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from napari_ds2net.workspace.correction import Correction


def find_problems(corrections: Iterable[Correction]) -> tuple[str, ...]:
    """Read every file; return a sentence on each that is gone or changed, and what to do."""
    told: list[str] = []
    for correction in corrections:
        for name, digest in correction.files.items():
            path = correction.path(name)
            instead = f"put it back from a copy, or remove the correction {correction.stem}."
            try:
                content = path.read_bytes()
            except OSError:
                told.append(f"{path} cannot be read; {instead}")
                continue
            if hashlib.sha256(content).hexdigest() != digest:
                told.append(
                    f"{path} was changed by another program since it was accepted, and is learned "
                    f"from as it is; if that is not meant, {instead}"
                )
    return tuple(told)
