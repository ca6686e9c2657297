"""Where and how the engine works, and the small file in which the user's choice is kept."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_ds2net.data_folder import HOME_VARIABLE
from napari_ds2net.errors import SettingsError

_APP = "napari-ds2net"
_FILE = "engine.json"
_SMALLEST_MEMORY_GB = 0.5
_NICEST = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Where and how the engine works.

    Attributes
    ----------
    scheduler_address
        A running dask scheduler, such as ``"tls://gpu-server:8786"``; None for a private worker on
        this computer.
    tls_ca_file, tls_cert_file, tls_key_file
        PEM files for a ``tls://`` scheduler: the authority's certificate, your own and its key.
    memory_limit_gb
        Memory in 10⁹ bytes that the private worker may take; None for 90 % of the computer's.
    threads
        Processor threads of the private worker; None for what suits the processor.
    nice
        How far the private worker stands back for other programs, from 0 to 19.
    preload
        Whether the private worker imports the networks' code at once, so that the first image does
        not wait for it: some seconds of one core whenever a worker starts.

    Raises
    ------
    SettingsError
        A value makes no sense, or TLS files are missing.
    """

    scheduler_address: str | None = None
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    memory_limit_gb: float | None = None
    threads: int | None = None
    nice: int = 0
    preload: bool = True

    def __post_init__(self) -> None:
        """Check the values; whether files exist is seen when they are used."""
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name))
        if self.scheduler_address is not None:
            self._check_address(self.scheduler_address)
        if self.memory_limit_gb is not None and self.memory_limit_gb < _SMALLEST_MEMORY_GB:
            raise SettingsError(
                f"The memory limit is {self.memory_limit_gb} GB; expected {_SMALLEST_MEMORY_GB} or "
                "more, or none."
            )
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"The number of threads is {self.threads}; expected 1 or more.")
        if not 0 <= self.nice <= _NICEST:
            raise SettingsError(f"The nice value is {self.nice}; expected 0 to {_NICEST}.")

    def _check_address(self, address: str) -> None:
        protocol, separator, rest = address.partition("://")
        if not separator or protocol not in ("tcp", "tls") or ":" not in rest:
            raise SettingsError(
                f"The scheduler's address is {address!r}; expected one such as "
                "'tls://gpu-server:8786' or 'tcp://127.0.0.1:8786'."
            )
        files = (self.tls_ca_file, self.tls_cert_file, self.tls_key_file)
        if protocol == "tls" and not all(files):
            raise SettingsError(
                f"The scheduler {address} speaks TLS; expected three files for it: the authority's "
                "certificate, your certificate and its key."
            )


def settings_path() -> Path:
    """Return the file of the user's choice; it may not exist.

    ``$DS2NET_HOME/engine.json`` where the variable is set, otherwise in the folder that the system
    gives this program for its configuration.
    """
    home = os.environ.get(HOME_VARIABLE)
    folder = Path(home) if home else Path(platformdirs.user_config_dir(_APP, False))
    return folder.expanduser() / _FILE


def log_folder() -> Path:
    """Return the folder of the workers' logs; it may not exist."""
    home = os.environ.get(HOME_VARIABLE)
    folder = Path(home) / "logs" if home else Path(platformdirs.user_log_dir(_APP, False))
    return folder.expanduser()


def load_settings(path: Path | None = None) -> EngineSettings:
    """Read the user's choice; the defaults where none was made.

    Parameters
    ----------
    path
        The file; `settings_path` if None.

    Raises
    ------
    SettingsError
        The file cannot be read, or holds something else.
    """
    path = settings_path() if path is None else path
    try:
        values: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return EngineSettings()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read as settings ({error}); correct it, or remove it."
        ) from error
    known = {field.name for field in dataclasses.fields(EngineSettings)}
    if not isinstance(values, dict) or not set(values) <= known:
        unknown = sorted(set(values) - known) if isinstance(values, dict) else values
        raise SettingsError(
            f"{path} has {unknown}; expected a JSON object with some of {', '.join(sorted(known))}."
        )
    return EngineSettings(**values)


def save_settings(settings: EngineSettings, path: Path | None = None) -> Path:
    """Write the user's choice, whole or not at all, and return the file.

    Raises
    ------
    SettingsError
        The file cannot be written.
    """
    path = settings_path() if path is None else path
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(settings), indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written ({error.strerror}); check the folder and the free space."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _check_type(name: str, value: object) -> None:
    """Check what a file may have got wrong: text where a number belongs and so on."""
    if name == "preload":
        fits, expected = isinstance(value, bool), "true or false"
    elif name in ("threads", "nice"):
        fits, expected = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif name == "memory_limit_gb":
        fits, expected = isinstance(value, int | float), "a number"
    else:
        fits, expected = isinstance(value, str) and value != "", "text"
    if not fits and (value is not None or name in ("nice", "preload")):
        raise SettingsError(f"The setting {name} is {value!r}; expected {expected}.")
