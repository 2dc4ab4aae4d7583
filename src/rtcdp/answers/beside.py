"""Work that is done beside the answers, so that none of them waits for it.

To start a thread is to wait until it runs, and where others want all processors that takes some
milliseconds. Whoever hands work over here waits for nothing: the thread is there already, except
for the first piece after a while without any.
"""

import logging
import queue
import threading
from collections.abc import Callable

IDLE_S = 10.0
"""The thread ends when there was nothing to do for so long."""

Work = Callable[[], None]

_log = logging.getLogger(__name__)


class Beside:
    """Pieces of work, one after the other, in a thread of that name. What one raises is logged.
    Safe to use from several threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._is_running = False

    def begin(self, work: Work) -> bool:
        """Have it done. False where no more threads can be had."""
        with self._starting:
            if not self._is_running:
                try:
                    threading.Thread(target=self._run, name=self._name, daemon=True).start()
                except RuntimeError:
                    return False
                self._is_running = True
            self._waiting.put(work)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until all is done that was begun; whether it is."""
        done = threading.Event()
        return self.begin(done.set) and done.wait(seconds)

    def _run(self) -> None:
        while self._has_done_one():
            pass

    def _has_done_one(self) -> bool:
        """Do what comes next. False where nothing does, and the thread is to end."""
        try:
            work = self._waiting.get(timeout=IDLE_S)
        except queue.Empty:
            with self._starting:
                self._is_running = not self._waiting.empty()
                return self._is_running
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next may be well
            _log.error("%s failed", self._name, exc_info=error)
        return True
