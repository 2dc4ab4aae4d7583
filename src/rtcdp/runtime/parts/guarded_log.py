"""A log is appended to only while it is the one that the installation's store has counted.

What a client was told is kept must be counted some day. In a log that another store belongs to,
or in one that was made anew beside a store that goes on, it never would be.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from rtcdp.clock import repeating
from rtcdp.engines.resume import check_reach, check_same_log
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import (
    Appended,
    Claim,
    Delivery,
    LogGone,
    LogReader,
    LogReplaced,
    LogUnavailable,
    LogWriter,
    OffsetsMissing,
)
from rtcdp.log.piece import Piece
from rtcdp.log.wrapping import pieces_after, try_claim
from rtcdp.store import Progress

LOOK_EVERY_S = 0.5

OpenWriter = Callable[[bool], LogWriter]
"""Opens the log to write to; with True it must be there already."""

AskProgress = Callable[[], Progress]
"""How far the store is. May raise an `RtcdpError`: a store that can't be asked objects to nothing,
for intake doesn't wait for it."""


class GuardedLogWriter:
    """A `LogWriter` that refuses (`LogUnavailable`, with the reason) as long as the log is not the
    one that the store has counted, or not the one that this writer began with; and goes on when it
    is back.

    `look` is to be called a few times a second; `trouble` is what it found, and `on_trouble` is
    called with it whenever it changes to something else than None.
    """

    def __init__(
        self,
        open_writer: OpenWriter,
        log: LogReader,
        progress: AskProgress,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._open_writer = open_writer
        self._log = log
        self._ask_progress = progress
        self._on_trouble = on_trouble
        self._mutex = threading.Lock()
        self._writer: LogWriter | None = None
        self._log_id = ""
        self._is_closed = False
        self._looked_at = float("-inf")
        self._progress = Progress()
        self.trouble: RtcdpError | None = None

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """As promised by `LogWriter`, once the log is known to be the right one."""
        writer = self._writer
        if writer is None:
            trouble = self.trouble
            if trouble is not None and time.monotonic() - self._looked_at < LOOK_EVERY_S:
                raise LogUnavailable(str(trouble), trouble.hint)
            writer = self._opened_again()
        try:
            return writer.append(deliveries)
        except LogGone as error:
            self._set_aside(error)
            raise

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """As promised by `ImportRegister`; none where the log keeps no such register."""
        return pieces_after(self._writer or self._opened_again(), key)

    def try_claim(self, key: str) -> Claim | None:
        """As promised by `ImportRegister`; given where the log keeps no such register."""
        return try_claim(self._writer or self._opened_again(), key)

    def look(self) -> None:
        """See whether the log is still the right one, and open it if it is again."""
        if self._writer is None:
            with suppress(LogUnavailable):
                self._opened_again()
            return
        try:
            self._check(check_reach)
        except (LogGone, OffsetsMissing) as error:
            self._set_aside(error)
        except RtcdpError:
            return  # nothing is known; an append finds out for itself

    def close(self) -> None:
        """End the writer. May be called twice."""
        self._is_closed = True
        self._drop()

    def _opened_again(self) -> LogWriter:
        with self._mutex:
            if self._writer is not None:
                return self._writer
            if self._is_closed:
                raise LogUnavailable("the log was closed by this process", "open it again")
            self._looked_at = time.monotonic()
            try:
                self._check(check_same_log)
                writer = self._open_writer(bool(self._log_id))
                self._log_id = self._log_id or self._log.log_id()
            except (LogUnavailable, OffsetsMissing) as error:
                self._say(error)
                raise LogUnavailable(str(error), error.hint) from error
            self._writer, self.trouble = writer, None
            return writer

    def _check(self, check: Callable[[LogReader, Progress], None]) -> None:
        """Raises `LogGone` and `OffsetsMissing` when it is not the right log."""
        with suppress(RtcdpError):
            self._progress = self._ask_progress()
        check(self._log, self._progress)
        log_id = self._log.log_id()
        if self._log_id and log_id != self._log_id:
            raise LogReplaced(
                f"the log {self._log_id} was written to, and now it is {log_id or 'gone'}",
                "bring the old log back; to begin with a new one, stop rtcdp and give it a store "
                "of its own",
            )
        place = getattr(self._writer, "check_place", None)
        if place is not None:
            place()

    def _set_aside(self, error: RtcdpError) -> None:
        self._say(error)
        self._drop()

    def _say(self, error: RtcdpError) -> None:
        if str(error) != str(self.trouble or ""):
            self._on_trouble(f"no events are taken: {error}; {error.hint}")
        self.trouble = error

    def _drop(self) -> None:
        with self._mutex:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def watched(writer: GuardedLogWriter) -> AbstractContextManager[None]:
    """Let the writer look every `LOOK_EVERY_S`, from a thread of its own."""
    return repeating("log-guard", LOOK_EVERY_S, writer.look)
