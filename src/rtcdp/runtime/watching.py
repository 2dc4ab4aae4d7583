"""Looks at an installation from outside: how much came in, how far the answers are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.clock import Clock
from rtcdp.log.contract import LogReader
from rtcdp.runtime.parts import log_reader, store_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import Store


@dataclass(frozen=True)
class Sample:
    """One look. `taken_at` is in monotonic seconds; `logged` counts the records that the log ever
    took, `pending` those that are not in the answers yet; `totals` is the ledger's. The newest
    epoch was committed at `committed_at` (UTC ms; 0: there was none) by `engine`. `trouble` says
    why there is no more to tell."""

    taken_at: float
    logged: int = 0
    pending: int = 0
    lag_ms: int = 0
    epoch: int = 0
    committed_at: int = 0
    engine: str = ""
    totals: dict[str, int] = field(default_factory=dict)
    trouble: str = ""


class Watcher:
    """Takes samples of a log and a store."""

    def __init__(self, log: LogReader, store: Store, clock: Clock) -> None:
        self._installation = Installation(store, (), clock, log=log)
        self._log = log
        self._clock = clock

    def sample(self) -> Sample:
        """A look at both now. Raises `LogUnavailable` and `StoreUnavailable`."""
        ends = {p: self._log.extent(p).next_offset for p in self._log.partitions()}
        with open_reading(self._installation) as reading:
            progress = reading.snapshot.progress
            return Sample(
                taken_at=self._clock.monotonic(),
                logged=sum(ends.values()),
                pending=sum(
                    max(0, end - progress.next_offsets.get(p, 0)) for p, end in ends.items()
                ),
                lag_ms=reading.freshness.lag_ms or 0,
                trouble=reading.freshness.warning or "",
                epoch=progress.epoch,
                committed_at=progress.committed_at,
                engine=progress.engine,
                totals=reading.snapshot.ledger_totals(),
            )


@contextmanager
def watcher_of(settings: Settings, clock: Clock) -> Iterator[Watcher]:
    """A watcher of the installation, which need not have been started yet."""
    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        yield Watcher(log, store, clock)
