"""The errors that reach a user: each message says what was found, what was expected, what to do."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager

_MOST_LETTERS = 200
"""Of a library's error; some quote all that they could not read."""


class DS2NetError(Exception):
    """Base of every error whose message is written for the user."""


class CheckpointError(DS2NetError):
    """A file is not a network that can be loaded."""


class ModelNotFoundError(DS2NetError):
    """No model of that name or path exists."""


class ImageError(DS2NetError):
    """An image cannot be read or cannot be segmented."""


class FrameError(ImageError):
    """A frame of an image cannot be read, while others perhaps can."""


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


def reason_of(error: BaseException) -> str:
    """Return what a library's error says, to be put in brackets into a sentence.

    Parameters
    ----------
    error
        Of any library.

    Returns
    -------
    Its message in one line of 200 letters at most, without a full stop at the end; its type's name
    where it says nothing.
    """
    words = " ".join(str(error).split()).rstrip(".")
    if len(words) > _MOST_LETTERS:
        words = words[: _MOST_LETTERS - 1].rstrip() + "…"
    return words or type(error).__name__


def unexpected(error: BaseException) -> EngineError:
    """Return in words an error that nobody foresaw; a log should keep its `details`."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError):
        return EngineError(
            "The computer's memory is not enough for this; close other programs, or choose a "
            "smaller part or a smaller network.",
            details,
        )
    name, reason = type(error).__name__, reason_of(error)
    said = name if reason == name else f"{name}: {reason}"
    return EngineError(
        f"The work ended with an unexpected error ({said}). Nothing else is lost, and the next "
        "run starts afresh; if it happens again, please report it.",
        details,
    )


@contextmanager
def image_errors(sentence: Callable[[str], str]) -> Generator[None]:
    """Turn whatever a library raises inside into an `ImageError`.

    What damaged files make the libraries raise has no common class.

    Parameters
    ----------
    sentence
        Makes the message of what `reason_of` gives.

    Raises
    ------
    ImageError
        Something was raised; one that is an `ImageError` already stays as it is.
    """
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(sentence(reason_of(error))) from error
