"""Where the commands speak: results on standard output, progress and complaints on the other."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeGuard

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from napari_ds2net.durations import left_words
from napari_ds2net.errors import DS2NetError

_PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, where nothing says how wide it may be."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Codes for terminals, but for tabs and new lines."""
_P = ParamSpec("_P")


def say(result: RenderableType, above: Progress | None = None) -> None:
    """Print a result, a text or a table, on standard output.

    Parameters
    ----------
    result
        What to print.
    above
        A progress display that is running; on a terminal the result goes above it.
    """
    if _is_shown(above) and sys.stdout.isatty():
        console = above.console
    else:
        width = None if sys.stdout.isatty() else _PIPED_WIDTH
        console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    if isinstance(result, str):
        console.print(printable(result), soft_wrap=True)
    else:
        console.print(result)


def note(text: str, above: Progress | None = None) -> None:
    """Print a remark on standard error; `above` as for `say`."""
    _errors(above).print(printable(text), style="dim", soft_wrap=True)


def complain(text: str, kind: str = "Error", above: Progress | None = None) -> None:
    """Print ``Error: text`` on standard error; `above` as for `say`."""
    said = Text(f"{kind}: ", style="bold red" if kind == "Error" else "bold yellow")
    _errors(above).print(said.append(printable(text), style="default not bold"), soft_wrap=True)


def named_once(path: Path, reason: str) -> str:
    """Return a sentence about a file, which it names once: many reasons begin with its name."""
    named = f"{path.name} "
    return f"{path}{' ' if reason.startswith(named) else ': '}{reason.removeprefix(named)}"


def table(*headings: str) -> Table:
    """Return an empty table with left-aligned columns and no frame, easy to cut in a script."""
    lines = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        lines.add_column(heading)
    return lines


def progress(*columns: ProgressColumn) -> Progress:
    """Return a progress display on standard error, silent where that is no terminal.

    Parameters
    ----------
    *columns
        What it shows; description, bar, count and time left if none are given.
    """
    console = _errors()
    usual = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _TimeLeft(),
    )
    return Progress(
        *(columns or usual),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # results in a pipe stay in the pipe
    )


class _TimeLeft(ProgressColumn):
    """How long the rest takes; empty while nobody knows."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Return the words."""
        seconds = None if task.finished else task.time_remaining
        return Text("" if seconds is None else left_words(seconds), style="progress.remaining")


def errors_in_words(command: Callable[_P, None]) -> Callable[_P, None]:
    """Let a command end with a sentence and exit status 1, or 130 when interrupted."""

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except DS2NetError as error:
            complain(str(error))
            raise typer.Exit(1) from None
        except BrokenPipeError:  # the reader has gone, as in `ds2net models list | head -1`
            raise
        except OSError as error:
            complain(describe_os_error(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            complain("interrupted.", kind="Stopped")
            raise typer.Exit(130) from None

    return wrapped


def in_words(error: DS2NetError | OSError) -> str:
    """Return what to tell of an error: its own words, or the system's with the file's name."""
    return describe_os_error(error) if isinstance(error, OSError) else str(error)


def describe_os_error(error: OSError) -> str:
    """Return a sentence for an error of the operating system."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}." if error.filename else f"{what}."


def printable(text: str) -> str:
    """Return a text that any stream here takes and no terminal obeys.

    Names of files may hold what is no character, and codes that move the cursor or colour texts.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _errors(above: Progress | None = None) -> Console:
    if _is_shown(above):
        return above.console
    return Console(file=sys.stderr, markup=False, highlight=False, emoji=False)


def _is_shown(display: Progress | None) -> TypeGuard[Progress]:
    return display is not None and not display.disable
