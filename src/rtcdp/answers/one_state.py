"""Several answers of one state of the store: a number on a page, and the list behind it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

from rtcdp.admission.erased import ErasedUser
from rtcdp.answers.freshness import Installation, StillSight
from rtcdp.errors import UsageError
from rtcdp.store import Store, StoreSnapshot


class _StillStore:
    """A store that has one snapshot for all who ask, opened for the first of them, and is itself in
    all else. What is still being filled, and who was erased, it says as of just before: what was
    whole by then is whole in the snapshot, and who was erased is not in it."""

    def __init__(self, store: Store, opened: ExitStack) -> None:
        self._store = store
        self._opened = opened
        self._snapshot: StoreSnapshot | None = None
        self._metrics: Mapping[str, str] = {}
        self._offsets: Mapping[str, Mapping[int, int] | None] = {}
        self._erased: Sequence[ErasedUser] = ()

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        if self._snapshot is None:
            self._offsets = self._store.backfills()
            self._metrics = self._store.metrics()
            self._erased = self._store.erased_users()
            self._snapshot = self._opened.enter_context(self._store.snapshot())
        yield self._snapshot

    def metrics(self) -> Mapping[str, str]:
        return self._store.metrics() if self._snapshot is None else self._metrics

    def backfill_offsets(self, name: str) -> Mapping[int, int] | None:
        if self._snapshot is None:
            return self._store.backfill_offsets(name)
        if name not in self._offsets:
            raise UsageError(f"the store had no {name} yet", "ask again")
        return self._offsets[name]

    def erased_users(self, *, only_pending: bool = False) -> Sequence[ErasedUser]:
        if self._snapshot is None or only_pending:
            return self._store.erased_users(only_pending=only_pending)
        return self._erased

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@contextmanager
def one_state(installation: Installation) -> Iterator[Installation]:
    """The installation with a store that stands still: what is asked of it within is all of one
    snapshot, and as fresh as that was when it was taken, by one thread, until it is left. One that
    stands still already stays as it is. What is asked raises `StoreUnavailable`."""
    if isinstance(installation.store, _StillStore):
        yield installation
        return
    with ExitStack() as opened:
        still = cast("Store", _StillStore(installation.store, opened))
        yield replace(installation, store=still, sight=StillSight(installation.sight))
