"""Which folder holds the corrections of a model: the user's choice, else the program's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_ds2net.data_folder import data_folder
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.workspace import durable
from napari_ds2net.workspace.source import file_name


def default_folder(name: str) -> Path:
    """Return where the corrections made with the model `name` are kept unless the user chooses.

    ``$DS2NET_HOME/workspaces/NAME`` where the variable is set, otherwise in the data folder that
    the system gives this program. It may not exist yet.
    """
    return data_folder() / "workspaces" / (file_name(name) or "workspace")


def choices_path() -> Path:
    """Return the file that remembers the folders that were chosen."""
    return data_folder() / "workspaces.json"


def chosen_folder(name: str) -> Path | None:
    """Return the folder that was chosen for the model `name`, None where none was.

    Raises
    ------
    WorkspaceError
        What was chosen cannot be read.
    """
    chosen = _read().get(name)
    return None if chosen is None else Path(chosen)


def folder_of(name: str) -> Path:
    """Return where the corrections made with the model `name` are kept.

    A chosen folder that is gone, such as one on a drive that is not plugged in, is not made anew,
    for then corrections would lie in two places.

    Raises
    ------
    WorkspaceError
        The chosen folder is not there, or what was chosen cannot be read.
    """
    chosen = chosen_folder(name)
    if chosen is None:
        return default_folder(name)
    if not chosen.is_dir():
        raise WorkspaceError(
            f"The folder {chosen}, chosen for the corrections of {name!r}, is not there. Plug in "
            "its drive or put it back, or choose another one in the panel “Fine-tune”."
        )
    return chosen


def choose_folder(name: str, folder: Path | None) -> None:
    """Keep the corrections of the model `name` in `folder` from now on, None for the default.

    Nothing is moved: what was accepted stays where it is.

    Raises
    ------
    WorkspaceError
        The choice cannot be kept.
    """
    choices = _read()
    choices.pop(name, None)
    if folder is not None:
        choices[name] = str(folder.expanduser().absolute())
    path = choices_path()
    with durable.errors_in_words(path):
        durable.make_folders(path.parent)
        durable.write_over(path, json.dumps(choices, indent=1, sort_keys=True).encode())


def _read() -> dict[str, str]:
    path = choices_path()
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WorkspaceError(durable.sentence(error, path)) from error
    except ValueError:
        read = None
    if isinstance(read, dict):
        choices: dict[Any, Any] = read
        if all(isinstance(each, str) for pair in choices.items() for each in pair):
            return choices
    raise WorkspaceError(
        f"{path}, which remembers where corrections are kept, is damaged; expected model names and "
        "folders in JSON. Mend or remove it, then choose the folders again."
    )
