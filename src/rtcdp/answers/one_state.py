"""Several answers of one state of the store: a number on a page, and the list behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from rtcdp.answers.freshness import Installation
from rtcdp.store import Store, StoreSnapshot


class _StillStore:
    """A store that has one snapshot for all who ask, and is itself in all else."""

    def __init__(self, store: Store, snapshot: StoreSnapshot) -> None:
        self._store = store
        self._snapshot = snapshot

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        yield self._snapshot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@contextmanager
def one_state(installation: Installation) -> Iterator[Installation]:
    """The installation with a store that stands still: what is asked of it within is all of one
    snapshot, by one thread. Raises `StoreUnavailable`."""
    with installation.store.snapshot() as snapshot:
        still = cast("Store", _StillStore(installation.store, snapshot))
        yield replace(installation, store=still)
