"""Every store tells what is counted on paper, however often the engine was started again, killed at
a commit, or given other folds, while history is imported beside live events."""

import random
from contextlib import suppress

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.store import StoreUnavailable
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept
from tests.conformance.folds.stream import RULES, START_MS, Stream
from tests.conformance.folds.test_folds import FOLDS, NEVER, in_words, on_paper
from tests.scale import scaled

ENGINES = ("native",)
ALWAYS = load_folds()
LATER = FOLDS[len(ALWAYS) :]
FOREVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)


class Died(BaseException):
    """The process was killed."""


class Mortal:
    """A store whose commits go wrong in a way: the process dies before or after one, or the reply
    of one is lost. The first `spared` go well."""

    def __init__(self, store, way, spared):
        self._store, self._way, self._left = store, way, spared

    def __getattr__(self, name):
        return getattr(self._store, name)

    def commit(self, epoch):
        self._guarded(self._store.commit, epoch)

    def commit_backfill(self, *args, **options):
        self._guarded(self._store.commit_backfill, *args, **options)

    def _guarded(self, commit, *args, **options):
        self._left -= 1
        if self._left == -1 and self._way == "before":
            raise Died
        commit(*args, **options)
        if self._left == -1 and self._way == "after":
            raise Died
        if self._left == -1 and self._way == "reply lost" and commit == self._store.commit:
            raise StoreUnavailable("the reply was lost", "ask what became of it")


def parts(deliveries, rng):
    """The deliveries, some at a time."""
    start = 0
    while start < len(deliveries):
        stop = start + rng.randrange(5, 60)
        yield deliveries[start:stop]
        start = stop


@pytest.mark.parametrize("seed", range(10, 10 + scaled(1, chaos=30)))
def test_rows_are_what_is_counted_on_paper_whatever_happens(run_engine, open_store, seed) -> None:
    rng, stream = random.Random(seed), Stream(seed, count=180)
    log, store = MemoryLog(lambda: rng.randrange(1, 50)), open_store()
    for part in parts(stream.deliveries, rng):
        log.append(part)
        folds = (*ALWAYS, *rng.sample(LATER, rng.randrange(len(LATER))))
        way = rng.choice(("well", "before", "after", "reply lost"))
        with suppress(Died):
            run_engine(log, Mortal(store, way, rng.randrange(4)), folds, RULES, 10**9)
    run_engine(log, store, FOLDS, RULES, 10**9)
    for fold in FOLDS:
        rows = store.dump(fold.table).rows(named=True)
        assert in_words(rows, fold.step) == on_paper(stream.admitted, fold.step), fold.name
    assert verify(log, store, FOLDS, RULES, FOREVER).differences == ()
    found = verify_independently(log, store, FOLDS, RULES, NEVER)
    assert (found.disagreements, found.set_aside, found.left_out) == ((), (), ())
