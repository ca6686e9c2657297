"""Telling the user something in napari's own way."""

from __future__ import annotations

from napari.utils.notifications import show_error, show_info, show_warning

from napari_ds2net.errors import DS2NetError


def tell(text: str) -> None:
    """Show a sentence that needs no answer."""
    show_info(text)


def warn(text: str) -> None:
    """Show a sentence that deserves attention."""
    show_warning(text)


def complain(error: Exception) -> str:
    """Show what went wrong, in words and without a traceback; return the words."""
    words = str(error) if isinstance(error, DS2NetError) else f"{type(error).__name__}: {error}"
    show_error(words)
    return words
