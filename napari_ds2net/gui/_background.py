"""Small work on disk in one thread of the window's process, answered on the main thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Qt

from napari_ds2net.errors import DS2NetError, unexpected
from napari_ds2net.gui import _messages
from napari_ds2net.gui._qt import Signal

logger = logging.getLogger(__name__)

Failed = Callable[[DS2NetError], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What came of a function, and who is told."""

    done: Callable[[Any], None]
    failed: Failed | None
    value: Any = None
    error: DS2NetError | None = None


class Background(QObject):
    """Runs functions one after the other; what needs a processor belongs to the engine instead."""

    _done = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ds2net-files")
        self._done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        function: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Failed | None,
    ) -> None:
        """Call `function` in the thread, and `done` or `failed` with what came of it here.

        Parameters
        ----------
        function
            Raises `DS2NetError` where it cannot do its work. What else it raises is written into
            the log, and comes as a sentence.
        done, failed
            Called on the main thread. `failed` is called where `done` raises something, too; None
            where an expected error is said elsewhere, so that only an unexpected one is shown.
        """

        def work() -> None:
            try:
                answer = _Answer(done, failed, value=function())
            except DS2NetError as error:
                answer = _Answer(done, failed, error=error)
            except Exception as error:  # the border: nobody else would hear of it
                logger.exception("A step in the background failed")
                answer = _Answer(done, failed or _complain, error=unexpected(error))
            self._done.emit(answer)

        self._pool.submit(work)

    def close(self) -> None:
        """Finish what was begun; what waits is finished too, for it may be somebody's work."""
        self._pool.shutdown(wait=True)

    def _on_done(self, answer: _Answer) -> None:
        error = answer.error
        if error is None:
            try:
                answer.done(answer.value)
                return
            except DS2NetError as unfit:
                error = unfit
            except Exception as surprise:  # the border: a panel would wait for ever
                logger.exception("What a step in the background gave could not be shown")
                error = unexpected(surprise)
            (answer.failed or _complain)(error)
        elif answer.failed is not None:
            answer.failed(error)


def _complain(error: DS2NetError) -> None:
    _messages.complain(error)
