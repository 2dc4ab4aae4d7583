"""The cache gives what the store would, forgets what is old, and holds no more than it may."""

from rtcdp.definitions import Fold
from rtcdp.folds.row_cache import RowCache
from rtcdp.folds.sessions import Sessions
from tests.stories import RowsInMemory, event

FOLD = Fold("visits", "Visits", Sessions(gap_ms=10, longest_ms=100))


def play(cache, store, *events):
    folded = store.folded(events, cache)
    store.commit(folded)
    cache.take(folded)


def test_what_was_written_is_not_read_again():
    store = RowsInMemory(FOLD)
    cache = RowCache(FOLD, store)
    play(cache, store, event(0), event(1, user="bob"))
    assert (cache.hits, cache.misses) == (0, 2)
    play(cache, store, event(5), event(6, user="eve"))
    assert (cache.hits, cache.misses) == (1, 3)
    assert store.by_key["ann", 0]["event_count"] == 2


def test_what_lies_before_the_known_span_is_read():
    store = RowsInMemory(FOLD)
    cache = RowCache(FOLD, store)
    play(cache, store, event(0))
    play(cache, store, event(5000))
    play(cache, store, event(4))
    assert cache.hits == 1
    assert store.by_key["ann", 0]["event_count"] == 2


def test_a_dropped_cache_knows_nothing():
    store = RowsInMemory(FOLD)
    cache = RowCache(FOLD, store)
    play(cache, store, event(0))
    cache.drop()
    assert cache.size == 0
    play(cache, store, event(3))
    assert (cache.hits, cache.misses) == (0, 2)
    assert store.by_key["ann", 0]["event_count"] == 2


def test_it_holds_no_more_than_it_may_and_forgets_the_oldest():
    store = RowsInMemory(FOLD)
    cache = RowCache(FOLD, store, rows_max=20)
    for number in range(100):
        play(cache, store, event(number, user=f"u{number}"), event(number))
        assert cache.size <= 20
    hits = cache.hits
    play(cache, store, event(100), event(100, user="u0"))
    assert cache.hits == hits + 1
