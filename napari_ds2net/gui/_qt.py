"""Qt's signals through qtpy, whose type information leaves them out."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore

Signal: Any = QtCore.Signal  # type: ignore[attr-defined]  # pyright: ignore[reportPrivateImportUsage]
