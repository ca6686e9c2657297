"""The model library: bundled models and the user's own, found by name, never silently replaced."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from napari_ds2net.data_folder import data_folder
from napari_ds2net.errors import CheckpointError, ModelNotFoundError, SettingsError
from napari_ds2net.library import files
from napari_ds2net.library.names import (
    BUNDLED_NAMES,
    check_name,
    is_name,
    next_name,
    same_name,
    unknown_name,
)
from napari_ds2net.network.card import ModelCard
from napari_ds2net.network.config import NetworkConfig
from napari_ds2net.network.header import read_header

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
_WEIGHTS_SUFFIXES = (files.SUFFIX, ".pth", ".pt")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be used: name, file, network, card, and whether the package brought it."""

    name: str
    path: Path
    config: NetworkConfig
    card: ModelCard
    bundled: bool


@dataclasses.dataclass(frozen=True, slots=True)
class DamagedModel:
    """A file in the library that cannot be used, and the sentence that says why."""

    path: Path
    reason: str


def default_root() -> Path:
    """Return the folder of the user's models.

    ``$DS2NET_HOME/models`` where the variable is set, otherwise ``models`` in the data folder that
    the system gives this program (such as ``~/.local/share/napari-ds2net``). It may not exist yet.
    """
    return data_folder() / "models"


def bundled_names() -> tuple[str, ...]:
    """Return the names of the models that this installation brings, the usual order first."""
    return tuple(_model_files(BUNDLED_FOLDER))


class ModelLibrary:
    """The bundled models, which never change, and a folder of the user's models.

    A model is one safetensors file, named after the model, with its card inside. A user's file is
    read-only and has its SHA-256 beside it: a new version is a new name.

    Parameters
    ----------
    root
        Folder of the user's models; `default_root` if None. Made when the first model arrives.
    bundled_folder
        Folder of the models that cannot be changed; the package's if None.
    """

    def __init__(self, root: Path | None = None, *, bundled_folder: Path | None = None) -> None:
        self.root = default_root() if root is None else root
        self.bundled_folder = BUNDLED_FOLDER if bundled_folder is None else bundled_folder

    def names(self) -> tuple[str, ...]:
        """Return the names of all models, bundled first; no file is opened."""
        return tuple(self._paths())

    def list(self) -> builtins.list[ModelEntry]:
        """Return the models whose card can be read, bundled first; see `damaged` for the rest."""
        entries: builtins.list[ModelEntry] = []
        for name in self._paths():
            with contextlib.suppress(CheckpointError):
                entries.append(self.entry(name))
        return entries

    def damaged(self) -> builtins.list[DamagedModel]:
        """Return the files that are in the library but cannot be used, each with the reason.

        The header of every file is read and the user's files are compared with their checksums.
        """
        return list(self._find_damage())

    def entry(self, name_or_path: str | Path) -> ModelEntry:
        """Return the model of that name, or the card of a file.

        Raises
        ------
        ModelNotFoundError
            Neither a model nor a file is called so.
        CheckpointError
            The file's header is not that of a model.
        """
        path = self.find(name_or_path)
        config, card = read_header(path)
        name = path.stem if path in self._paths().values() else card.name
        return ModelEntry(name, path, config, card, bundled=path.parent == self.bundled_folder)

    def find(self, name_or_path: str | Path) -> Path:
        """Return the file of a model.

        Parameters
        ----------
        name_or_path
            A name in the library, or else the path of a file.

        Raises
        ------
        ModelNotFoundError
            Neither a model nor a file is called so; the message lists the nearest names.
        """
        known = self._paths()
        wanted = str(name_or_path)
        if wanted in known:
            return known[wanted]
        path = Path(name_or_path).expanduser()
        if path.is_file():
            return path
        if path.suffix.lower() in _WEIGHTS_SUFFIXES or path.name != wanted:
            raise ModelNotFoundError(
                f"There is no file {wanted}; expected the path of a .safetensors or .pth file, or "
                f"the name of a model ({', '.join(known) or 'none is installed'})."
            )
        raise ModelNotFoundError(unknown_name(wanted, tuple(known)))

    def import_file(
        self, path: Path, name: str | None = None, *, card: ModelCard | None = None
    ) -> ModelEntry:
        """Check a file of weights completely and keep a copy of it as a model.

        Parameters
        ----------
        path
            A file that this project wrote, or a state dict as the authors released it (``.pth``),
            which is converted.
        name
            Name in the library; the one on the card if None.
        card
            Card of a released file, which has none of its own.

        Returns
        -------
        ModelEntry
            The new model.

        Raises
        ------
        ModelNotFoundError
            There is no such file.
        CheckpointError
            The file is no network that works.
        SettingsError
            The name cannot be used or is taken, or a card was given for a file that has one.
        """
        from napari_ds2net.library.adopt import adopt

        if not path.is_file():
            raise ModelNotFoundError(f"There is no file {path}; expected a file of weights.")
        adopted = adopt(path, name, card)
        self._check_free(adopted.card.name)
        target = self.root / f"{check_name(adopted.card.name)}{files.SUFFIX}"
        with files.errors_in_words(target):
            self.root.mkdir(parents=True, exist_ok=True)
            with files.temporary_beside(target) as temporary:
                adopted.write(temporary)
                files.move_into_place(temporary, target)
            files.seal(target)
        return ModelEntry(
            adopted.card.name, target, adopted.network.config, adopted.card, bundled=False
        )

    def export_file(self, name: str, destination: Path, *, overwrite: bool = False) -> Path:
        """Copy a model's file.

        Parameters
        ----------
        name
            Name in the library.
        destination
            A file to write, or a folder, which gets ``NAME.safetensors``.
        overwrite
            Replace a file that is there.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ModelNotFoundError
            No model is called so.
        SettingsError
            The file exists.
        """
        source = self._known(name)
        target = destination
        if destination.is_dir():
            target = destination / source.name
        elif not destination.suffix:
            target = destination.with_name(f"{destination.name}{files.SUFFIX}")
        with files.errors_in_words(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            files.copy_whole(source, target, overwrite=overwrite)
        return target

    def remove(self, name: str) -> None:
        """Delete a model of the user's.

        Raises
        ------
        ModelNotFoundError
            No model is called so.
        SettingsError
            The model is bundled.
        """
        path = self._known(name)
        if path.parent == self.bundled_folder:
            raise SettingsError(
                f"{name!r} came with the package and cannot be removed; only imported and "
                "fine-tuned models can."
            )
        with files.errors_in_words(path):
            files.discard(path)

    def check_new_name(self, name: str) -> str:
        """Return `name` when a new model can have it, so that long work does not end in vain.

        Raises
        ------
        SettingsError
            It cannot be used, is reserved for the package, or is taken.
        """
        self._check_free(check_name(name))
        return name

    def free_name(self, name: str) -> str:
        """Return `name`, or the next one after it where it is taken: ``mine-2`` after ``mine``."""
        taken = self.names()
        is_taken = any(same_name(name, other) for other in taken)
        return next_name(name, taken) if is_taken else name

    def _known(self, name: str) -> Path:
        """Return the file of a name in the library."""
        known = self._paths()
        if name not in known:
            raise ModelNotFoundError(unknown_name(name, tuple(known)))
        return known[name]

    def _paths(self) -> dict[str, Path]:
        """Return the file of every name; of a bundled name, the bundled file."""
        bundled = _model_files(self.bundled_folder)
        users = _model_files(self.root)
        return bundled | {name: path for name, path in users.items() if name not in bundled}

    def _check_free(self, name: str) -> None:
        """Refuse a name that is reserved or taken, whatever its capitals."""
        reserved = (*BUNDLED_NAMES, *_model_files(self.bundled_folder))
        if any(same_name(name, bundled) for bundled in reserved):
            raise SettingsError(
                f"{name!r} is the name of a model that comes with the package; choose another, "
                f"such as 'my-{name.lower()}'."
            )
        taken = [other for other in self._paths() if same_name(name, other)]
        if taken:
            raise SettingsError(
                f"The library already has a model {taken[0]!r}; choose another name, or remove "
                "that model first. Models are never overwritten."
            )

    def _find_damage(self) -> Iterator[DamagedModel]:
        bundled = _model_files(self.bundled_folder)
        for name, path in _model_files(self.root).items():
            if name in bundled:
                reason = f"{path} has the name of a bundled model and is not used; rename it."
                yield DamagedModel(path, reason)
            elif files.is_intact(path) is False:
                yield DamagedModel(
                    path,
                    f"{path} differs from its checksum: it was changed or the disk failed. "
                    f"Import it again from a copy ('ds2net models remove {name}' first).",
                )
        for name, path in self._paths().items():
            try:
                self.entry(name)
            except CheckpointError as error:
                yield DamagedModel(path, str(error))


def _model_files(folder: Path) -> dict[str, Path]:
    """Return the model files of a folder by name: the usual models first, then by alphabet."""
    if not folder.is_dir():
        return {}
    found = {path.stem: path for path in sorted(folder.glob(f"*{files.SUFFIX}"))}
    order = [name for name in BUNDLED_NAMES if name in found] + list(found)
    return {name: found[name] for name in order if is_name(name)}
