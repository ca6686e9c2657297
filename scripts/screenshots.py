"""The pictures of the README and the docs: the window in two sizes and two themes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from scripts.open_napari import Window, open_window, segment, start_virtual_screen, take_picture

SIZES = ((1280, 800), (1920, 1080))
THEMES = ("dark", "light")


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    folder = Path(sys.argv[1])
    screen = start_virtual_screen(2200, 1300)
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
        window.close()
    finally:
        screen.terminate()
    print(f"The pictures are in {folder}.")


def before_segmenting(window: Window, folder: Path) -> None:
    """Take the window as it is before the first press, with the network loaded."""
    note = window.panel.device_note_label
    window.wait_until(lambda: note.text().startswith("auto is"))
    dress(window, "dark", *SIZES[0])
    take_picture(window, folder / "before.png")


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
