"""``ds2net``: the command line. Importing it is quick; torch is imported by the commands."""

from __future__ import annotations

from napari_ds2net.cli.app import app, main

__all__ = ["app", "main"]
