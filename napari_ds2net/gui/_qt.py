"""What qtpy gives, but whose type information leaves out: signals and actions."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore, QtGui

Signal: Any = QtCore.Signal  # type: ignore[attr-defined]  # pyright: ignore[reportPrivateImportUsage]
QAction: Any = QtGui.QAction  # type: ignore[attr-defined]
