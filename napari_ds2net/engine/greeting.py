"""What the engine tells the worker process that it starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MEMORY_EXIT_CODE = 77
"""The worker took more memory than it may."""
PRELOAD = "--preload"
"""On its command line, because it need not wait for the greeting: import the networks' code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a worker is told.

    Attributes
    ----------
    scheduler
        Address to connect to.
    certificate, key
        PEM texts for TLS, both ways.
    name
        By which the scheduler knows this worker.
    parent
        Process whose end is the worker's end too.
    memory_limit
        Resident bytes at which the worker ends itself, before the system looks for a victim.
    folder
        For temporary files; removed at the end.
    log
        File that standard output and standard error go to.
    nice
        How far to stand back for other programs, from 0 to 19, once it is ready to work.
    """

    scheduler: str
    certificate: str
    key: str
    name: str
    parent: int
    memory_limit: int
    folder: str
    log: str
    nice: int

    def to_json(self) -> str:
        """Return one line of text."""
        return json.dumps(asdict(self))
