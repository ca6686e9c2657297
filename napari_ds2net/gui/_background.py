"""Small work on disk in one thread of the window's process, answered on the main thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Qt

from napari_ds2net.errors import DS2NetError
from napari_ds2net.gui._qt import Signal


class Background(QObject):
    """Runs functions one after the other; what needs a processor belongs to the engine instead."""

    _done = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ds2net-files")
        self._done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        function: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[DS2NetError], None],
    ) -> None:
        """Call `function` in the thread, and `done` or `failed` with what came of it here.

        Parameters
        ----------
        function
            Raises `DS2NetError` where it cannot do its work.
        done, failed
            Called on the main thread.
        """

        def work() -> None:
            try:
                value = function()
            except DS2NetError as error:
                self._done.emit(failed, error)
            else:
                self._done.emit(done, value)

        self._pool.submit(work)

    def close(self) -> None:
        """Finish what was begun; what waits is finished too, for it may be somebody's work."""
        self._pool.shutdown(wait=True)

    def _on_done(self, callback: Callable[[Any], None], value: object) -> None:
        callback(value)
