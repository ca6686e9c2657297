"""The errors that reach a user: each message says what was found, what was expected, what to do."""

from __future__ import annotations


class DS2NetError(Exception):
    """Base of every error whose message is written for the user."""


class CheckpointError(DS2NetError):
    """A file is not a network that can be loaded."""


class ModelNotFoundError(DS2NetError):
    """No model of that name or path exists."""


class ImageError(DS2NetError):
    """An image cannot be read or cannot be segmented."""


class DatasetError(DS2NetError):
    """A folder does not hold a usable data set."""


class WorkspaceError(DS2NetError):
    """A folder of corrections cannot be opened, read or written."""


class ExportError(DS2NetError):
    """Results cannot be written, or not as the wanted kind of file."""


class SettingsError(DS2NetError):
    """A recipe or an option has a value that makes no sense."""


class DeviceError(DS2NetError):
    """The requested device is not there or cannot do the work."""


class EngineError(DS2NetError):
    """Work in another process could not be done, through no choice of the user.

    Parameters
    ----------
    message
        Sentences for the user.
    details
        What a log should keep, such as the worker's traceback; never shown in the message.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details
