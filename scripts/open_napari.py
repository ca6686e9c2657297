"""``make run``: napari with a sample image and the panel docked, one press from a result.

Where there is no screen (a server, a container) it does the same on a virtual one, presses Segment
by itself, and leaves a picture of the window.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1280, 800
_LIMIT_S = 180
_NO_XVFB = (
    "There is no screen, and Xvfb, which stands in for one, is not installed. On Debian or Ubuntu: "
    "sudo apt install xvfb"
)


def main() -> None:
    """Open the window and leave it to the user, or take its picture where nobody can see it."""
    choices = _parse()
    is_watched = has_screen() and choices.picture is None
    if not has_screen():
        start_virtual_screen()
    window = open_window(choices.sample)
    if is_watched:
        import napari

        napari.run()
        return
    picture = choices.picture or Path("sample-output") / "napari.png"
    window.viewer.window.resize(WIDTH, HEIGHT)  # napari remembers the size of an earlier window
    segment(window)
    take_picture(window, picture)
    print(f"{window.panel.summary_label.text()} {window.panel.status_label.text()}")
    print(f"The window is in {picture}.")
    window.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sample", default="polyp", help="key of a sample image")
    parser.add_argument(
        "--picture", type=Path, help="press Segment, write a picture of the window here, and end"
    )
    return parser.parse_args()


def has_screen() -> bool:
    """Tell whether a window can be shown to somebody."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def start_virtual_screen(width: int = WIDTH, height: int = HEIGHT) -> None:
    """Start Xvfb on a free display and let this process use it; it ends with its last window.

    Ending it earlier would break the connection of a process that has shown something, which
    then may hang at its own end.

    Raises
    ------
    SystemExit
        Xvfb is not installed or does not start.
    """
    reader, writer = os.pipe()
    screen = f"{width}x{height}x24"
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "-nolisten", "tcp"]
    command.append("-terminate")  # once it has no client any more
    try:
        subprocess.Popen(
            command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise SystemExit(_NO_XVFB) from None
    finally:
        os.close(writer)
    with os.fdopen(reader) as answer:
        number = answer.readline().strip()
    if not number:
        raise SystemExit("Xvfb, which stands in for a screen, did not start.")
    os.environ["DISPLAY"] = f":{number}"


class Window:
    """A viewer with a sample image and the panel."""

    def __init__(self, sample: str) -> None:
        import napari

        self.viewer: Any = napari.Viewer(show=True)
        self.viewer.open_sample("napari-ds2net", sample)
        began = time.perf_counter()
        self.dock, self.panel = self.viewer.window.add_plugin_dock_widget(
            "napari-ds2net", "Segment with DS²Net"
        )
        self.panel_seconds = time.perf_counter() - began

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Serve the window until the condition holds.

        Raises
        ------
        SystemExit
            It takes longer than three minutes.
        """
        from qtpy.QtWidgets import QApplication

        began = time.monotonic()
        while not condition():
            QApplication.processEvents()
            time.sleep(0.002)
            if time.monotonic() - began > _LIMIT_S:
                raise SystemExit(f"Nothing after {_LIMIT_S} s: {self.panel.status_label.text()}")
        for _ in range(10):
            QApplication.processEvents()

    def close(self) -> None:
        """Close the window and end the worker."""
        from napari_ds2net.gui.session import close_engine

        self.viewer.close()
        close_engine()


def open_window(sample: str) -> Window:
    """Open napari as the user finds it."""
    window = Window(sample)
    true_mask = next((each for each in window.viewer.layers if "true mask" in each.name), None)
    if true_mask is not None:
        true_mask.visible = False
    return window


def segment(window: Window) -> None:
    """Press Segment and wait for the layers."""
    window.panel.run_button.click()
    window.wait_until(lambda: not window.panel.controller.is_running)


def take_picture(window: Window, path: Path) -> None:
    """Write a picture of the whole window."""
    path.parent.mkdir(parents=True, exist_ok=True)
    window.viewer.screenshot(str(path), canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
