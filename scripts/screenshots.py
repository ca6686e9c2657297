"""The pictures of the README and the docs: the window in two sizes and two themes."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.open_napari import Window, open_window, segment, start_virtual_screen, take_picture

SIZES = ((1280, 800), (1920, 1080))
THEMES = ("dark", "light")
RIM_PX = 10


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    folder = Path(sys.argv[1])
    start_virtual_screen(2200, 1300)
    home = tempfile.TemporaryDirectory(prefix="ds2net-home-", ignore_cleanup_errors=True)
    os.environ["DS2NET_HOME"] = home.name  # the user's own corrections and models stay as they are
    try:
        window = open_window("polyp")
        before_segmenting(window, folder)
        segment(window)
        for width, height in SIZES:
            for theme in THEMES:
                dress(window, theme, width, height)
                take_picture(window, folder / f"segment-{theme}-{width}x{height}.png")
        dress(window, "dark", *SIZES[0])
        window.panel.compare_button.click()
        settle(window)
        take_picture(window, folder / "side-by-side.png")
        window.panel.compare_button.click()
        window.panel.next_button.click()
        settle(window)
        take_picture(window, folder / "uncertain-place.png")
        export_labels(window, Path(home.name), folder)
        fine_tune(window, folder)
        window.close()
    finally:
        home.cleanup()
    print(f"The pictures are in {folder}.")


def before_segmenting(window: Window, folder: Path) -> None:
    """Take the window as it is before the first press, with the network loaded."""
    note = window.panel.device_note_label
    window.wait_until(lambda: note.text().startswith("auto is"))
    dress(window, "dark", *SIZES[0])
    take_picture(window, folder / "before.png")


def export_labels(window: Window, home: Path, folder: Path) -> None:
    """Take the Export panel as it is before the press, with a folder chosen."""
    labels = home / "labels"
    labels.mkdir()
    window.viewer.layers.selection.active = window.viewer.layers["polyp mask"]
    dock, panel = window.viewer.window.add_plugin_dock_widget("napari-ds2net", "Export labels")
    panel.folder_field.value = labels
    settle(window)
    dock.raise_()
    dress(window, "dark", *SIZES[0])
    take_picture(window, folder / "export.png")
    dock.close()


def fine_tune(window: Window, folder: Path) -> None:
    """Accept drawn frames as somebody corrects them who wants the rim too, learn, show the end."""
    from skimage.morphology import dilation, disk

    from napari_ds2net.core.phantoms import PAINTERS
    from napari_ds2net.workspace import SourceInfo, Workspace, default_folder

    workspace = Workspace.open(default_folder("polyp"))
    for seed in range(1, 9):
        phantom = PAINTERS["polyp"](seed)
        source = SourceInfo(name=f"drawn frame {seed}")
        workspace.accept(phantom.image, dilation(phantom.mask, disk(RIM_PX)), source=source)
    window.viewer.reset_view()
    name = "Fine-tune"
    dock, panel = window.viewer.window.add_plugin_dock_widget("napari-ds2net", name)
    settle(window)
    dock.raise_()
    panel.minutes_field.value = 1.5
    panel.start_button.click()
    window.wait_until(lambda: not panel.controller.is_running)
    dress(window, "dark", *SIZES[0])
    take_picture(window, folder / "fine-tune.png")


def dress(window: Window, theme: str, width: int, height: int) -> None:
    """Give the window a theme and a size, and fit the image into it."""
    from napari.settings import get_settings

    appearance: Any = get_settings().appearance
    appearance.theme = theme
    window.viewer.window.resize(width, height)
    settle(window)
    window.viewer.reset_view()
    settle(window)


def settle(window: Window) -> None:
    """Let the window draw what changed."""
    turns = iter(range(40))
    window.wait_until(lambda: next(turns, None) is None)


if __name__ == "__main__":
    main()
