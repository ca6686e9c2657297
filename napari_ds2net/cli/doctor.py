"""``ds2net doctor``: is this installation usable, and if not, what to do."""

from __future__ import annotations

import typer

from napari_ds2net.cli import checks
from napari_ds2net.cli.console import complain, errors_in_words, say

SECTIONS: tuple[tuple[str, checks.Check], ...] = (
    ("Versions", checks.versions),
    ("Computer", checks.computer),
    ("Library", checks.library),
    ("Bundled models", checks.bundled_models),
)


@errors_in_words
def doctor() -> None:
    """Check versions, processor, devices, memory and models; ends with 0 when all is well.

    Every bundled model segments an image that is drawn for it. Nothing is fetched or sent.
    """
    problems: list[str] = []
    for title, check in SECTIONS:
        say(title)
        for finding in check():
            say(f"  {finding.name + ':':<17} {finding.value}")
            if finding.problem:
                problems.append(finding.problem)
    for problem in problems:
        complain(problem, kind="Problem")
    if problems:
        raise typer.Exit(1)
    say("All is well.")
