"""A store that tells operators how long it takes, whichever store it is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

from prometheus_client import CollectorRegistry, Histogram

from rtcdp.store.contract import Progress, Store, StoreSnapshot
from rtcdp.store.epoch import Epoch
from rtcdp.telemetry import LATENCY_BUCKETS_S


class Timed(Protocol):
    """What takes times."""

    def timed(self, operation: str) -> AbstractContextManager[None]:
        """A block whose time is taken: `commit`, `read` or `progress`."""
        ...


class StoreTimes:
    """How long a store takes, by what it is asked for, in `registry`. `monotonic` gives seconds."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seconds = Histogram(
            "rtcdp_store_seconds",
            "What the store takes: to commit an epoch, to read (a snapshot, from its opening to its"
            " end), to say how far it is.",
            ("operation",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        for operation in ("commit", "read", "progress"):
            self._seconds.labels(operation)

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """A block whose time is told, however it ends."""
        began = self._monotonic()
        try:
            yield
        finally:
            self._seconds.labels(operation).observe(self._monotonic() - began)


def measured_store(store: Store, times: Timed) -> Store:
    """`store`, whose times are told."""
    return cast("Store", _MeasuredStore(store, times))


class _MeasuredStore:
    """All else is the store's own."""

    def __init__(self, store: Store, times: Timed) -> None:
        self._store = store
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, epoch: Epoch) -> None:
        with self._times.timed("commit"):
            self._store.commit(epoch)

    def progress(self) -> Progress:
        with self._times.timed("progress"):
            return self._store.progress()

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        return self._read()

    @contextmanager
    def _read(self) -> Iterator[StoreSnapshot]:
        with self._times.timed("read"), self._store.snapshot() as snapshot:
            yield snapshot
