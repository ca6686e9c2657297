"""What all commands have in common, and the program as it is started."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.progress import Progress
from typer.testing import Result

import napari_ds2net
from napari_ds2net.cli import app
from napari_ds2net.cli.console import complain, errors_in_words, say
from napari_ds2net.errors import ImageError

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
COMMANDS = [
    [],
    ["segment"],
    ["train"],
    ["evaluate"],
    ["finetune"],
    ["rank"],
    ["workspace"],
    ["export"],
    ["doctor"],
    ["models"],
    ["models", "list"],
    ["models", "show"],
    ["models", "import"],
    ["models", "export"],
    ["models", "average"],
    ["models", "remove"],
]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m napari_ds2net`` in a fresh process."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("option", "commands"),
    [
        ("--device", {"segment", "evaluate", "finetune", "rank", "export"}),
        ("--flips", {"segment", "evaluate"}),
        ("--threshold", {"segment", "evaluate"}),
        ("--pixel-size", {"segment", "export"}),
    ],
)
def test_an_option_means_the_same_in_every_command(option: str, commands: set[str]) -> None:
    """A trainer's ``--device`` names an accelerator, which is another thing."""
    group: Any = typer.main.get_command(app)
    found = {
        name: (parameter.help, parameter.default)
        for name, command in group.commands.items()
        for parameter in command.params
        if option in parameter.opts and name != "train"
    }
    assert set(found) == commands
    assert len(set(found.values())) == 1


def test_the_version_is_the_packages(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout == f"ds2net {napari_ds2net.__version__}\n"


def test_unknown_commands_end_with_2(run: Run) -> None:
    assert run("segmnt").exit_code == 2


def test_the_program_starts_without_torch_and_numpy() -> None:
    code = "import napari_ds2net.cli, sys; print({'torch', 'numpy', 'timm'} & set(sys.modules))"
    assert start("-c", code).stdout == "set()\n"


def test_the_module_is_the_program() -> None:
    result = start("-m", "napari_ds2net", "models", "show", "no-such-model")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: There is no model 'no-such-model'")
    assert "Traceback" not in result.stderr


def test_lines_go_above_a_running_bar_and_results_stay_in_their_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=60)
    display = Progress(console=terminal)
    say("to the pipe", above=display)
    complain("to the terminal", above=display)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say("above the bar", above=display)
    assert capsys.readouterr() == ("to the pipe\n", "")
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert "to the terminal" in shown
    assert "above the bar" in shown


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ImageError("It is a cat."), 1, "Error: It is a cat."),
        (PermissionError(13, "Permission denied", "x"), 1, "Error: x: Permission denied."),
        (KeyboardInterrupt(), 130, "Stopped: interrupted."),
    ],
)
def test_errors_become_words_and_a_status(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @errors_in_words
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == status
    assert capsys.readouterr().err == f"{said}\n"


def test_mistakes_of_the_program_are_not_hidden() -> None:
    @errors_in_words
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
