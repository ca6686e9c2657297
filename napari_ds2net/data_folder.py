"""Where what belongs to the user is kept: models and corrections."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "DS2NET_HOME"


def data_folder() -> Path:
    """Return ``$DS2NET_HOME`` where it is set, otherwise the folder that the system gives.

    Such as ``~/.local/share/napari-ds2net``. It may not exist yet.
    """
    home = os.environ.get(HOME_VARIABLE)
    data = Path(home) if home else Path(platformdirs.user_data_dir("napari-ds2net", False))
    return data.expanduser()
