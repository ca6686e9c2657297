"""Where a recipe is: a file, or the bare name of one that comes with the trainer."""

from __future__ import annotations

from pathlib import Path

from napari_ds2net.errors import SettingsError

_SUFFIX = ".toml"


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe, given as a path or as a bare name such as ``polyp``.

    Raises
    ------
    SettingsError
        There is neither a file nor a recipe of that name; the message lists the recipes.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    known = known_recipes()
    if name_or_path in known:
        return known[name_or_path]
    names = f", or one of {', '.join(known)}" if known else ""
    raise SettingsError(f"There is no recipe {name_or_path}; expected a TOML file{names}.")


def known_recipes() -> dict[str, Path]:
    """Return the recipes that lie beside the trainer, by name; none where only the code is."""
    import ds2net_training

    package = Path(ds2net_training.__file__).parent
    for folder in (package / "recipes", package.parent / "recipes"):
        found = {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        if found:
            return found
    return {}
