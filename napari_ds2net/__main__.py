"""``python -m napari_ds2net`` is the same as ``ds2net``."""

from __future__ import annotations

from napari_ds2net.cli import main

if __name__ == "__main__":
    main()
