"""Group commit: one thread that appends whatever waits as one durable transaction.

While one group is being made durable the next one gathers, so the cost of a flush is shared by
more deliveries the more there are.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.log.contract import Appended, Delivery, LogFailed, LogUnavailable, LogWriter

Ticket = TypeVar("Ticket")
Entries: TypeAlias = list[tuple[Delivery, Ticket | None]]
"""Deliveries with what comes back for them; None where another one of the same request has it."""

NotAppended: TypeAlias = LogUnavailable | LogFailed | UsageError
"""Why a delivery is not in the log: not now, never again by this process, or never from this
source (the log has as many as it takes)."""


@dataclass(frozen=True)
class CommittedGroup(Generic[Ticket]):
    """What became of one group: `error` is None when it is durable. `commit_s` is what the append
    took. `passed_over` are those of `tickets` (by their places) of which nothing was appended, for
    they are of pieces that had been imported before."""

    tickets: tuple[Ticket, ...]
    error: NotAppended | None
    commit_s: float
    passed_over: frozenset[int] = frozenset()


class GroupCommit(Generic[Ticket]):
    """Appends deliveries in the order they were put, in groups of about `max_group_bytes`.

    `on_committed` is called in the writer's thread, once per group and after the append returned.
    After a `LogFailed` (or an error that no writer may raise, which is taken for one) the writer is
    never called again and all groups end with that error.
    """

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        max_group_bytes: int,
        on_committed: Callable[[CommittedGroup[Ticket]], None],
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._max_group_bytes = max_group_bytes
        self._on_committed = on_committed
        self._queue: queue.SimpleQueue[Entries[Ticket] | None] = queue.SimpleQueue()
        self._failure: LogFailed | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, entries: "Entries[Ticket]") -> None:
        """Hand over deliveries; each one's ticket comes back with its group. Never blocks."""
        self._queue.put(entries)

    def close(self) -> None:
        """Append what was put before, then end the thread."""
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                self._commit(group)

    def _next_group(self) -> tuple["Entries[Ticket]", bool]:
        """Wait for one hand-over, and take what else is there; False at the end."""
        group: Entries[Ticket] = []
        size = 0
        entries = self._queue.get()
        while entries is not None:
            group.extend(entries)
            size += sum(_bytes_of(delivery) for delivery, _ in entries)
            # Without an end, the first request would wait as long as others come.
            if size >= self._max_group_bytes:
                return group, True
            try:
                entries = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: "Entries[Ticket]") -> None:
        began = self._clock.monotonic()
        # After a failure nothing is written any more: what the file holds is not known.
        placed = self._failure or self._append([delivery for delivery, _ in group])
        error = None if isinstance(placed, tuple) else placed
        sources = {delivery.source for delivery, _ in group}
        if isinstance(error, UsageError) and len(sources) > 1:
            # One source is refused: its neighbours go without it.
            for source in sorted(sources):
                self._commit([entry for entry in group if entry[0].source == source])
            return
        tickets = tuple(ticket for _, ticket in group if ticket is not None)
        passed_over = _passed_over(group, placed) if isinstance(placed, tuple) else frozenset()
        commit_s = self._clock.monotonic() - began
        self._on_committed(CommittedGroup(tickets, error, commit_s, passed_over))

    def _append(self, deliveries: list[Delivery]) -> NotAppended | tuple[Appended, ...]:
        try:
            return tuple(self._writer.append(deliveries))
        except (LogUnavailable, UsageError) as error:
            return error
        except LogFailed as error:
            self._failure = error
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._failure = LogFailed(
                f"the log writer broke its contract: {error!r}", "restart, and report this error"
            )
            self._failure.__cause__ = error
            return self._failure


def _passed_over(group: "Entries[Ticket]", placed: Sequence[Appended]) -> frozenset[int]:
    """The places of the tickets of which nothing was appended though there was something."""
    with_ticket = [
        delivery.piece is not None and bool(delivery.record_count) and not appended.record_count
        for (delivery, ticket), appended in zip(group, placed, strict=True)
        if ticket is not None
    ]
    return frozenset(place for place, is_known in enumerate(with_ticket) if is_known)


def _bytes_of(delivery: Delivery) -> int:
    return len(delivery.lines) + sum(len(raw) for _, raw in delivery.rejects)
