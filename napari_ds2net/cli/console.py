"""Where the commands speak: results on standard output, progress and complaints on the other."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from napari_ds2net.errors import DS2NetError

_PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, where nothing says how wide it may be."""

_P = ParamSpec("_P")


def say(result: RenderableType) -> None:
    """Print a result, a text or a table, on standard output."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    console.print(result, soft_wrap=isinstance(result, str))


def note(text: str) -> None:
    """Print a remark on standard error."""
    _errors().print(text, style="dim", soft_wrap=True)


def complain(text: str, kind: str = "Error") -> None:
    """Print ``Error: text`` on standard error."""
    console = _errors()
    console.print(f"{kind}: ", style="bold red" if kind == "Error" else "bold yellow", end="")
    console.print(text, soft_wrap=True)


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
        TimeRemainingColumn(),
    )
    return Progress(
        *(columns or usual),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Results are lifted over the bar where both are seen, and stay in the pipe where not.
        redirect_stdout=sys.stdout.isatty(),
    )


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


def describe_os_error(error: OSError) -> str:
    """Return a sentence for an error of the operating system."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}." if error.filename else f"{what}."


def _errors() -> Console:
    return Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
