"""The cache gives what the store would, forgets what is old, and holds no more than it may."""

from random import Random

import polars as pl
import pytest

from rtcdp.definitions import Fold
from rtcdp.folds.row_cache import Kept, RowCache, SpanCache
from rtcdp.folds.sessions import Sessions
from tests.stories import RowsInMemory, event

HOUR = 3_600_000
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


def test_of_many_keys_those_are_forgotten_that_were_put_longest_ago():
    nothing = pl.DataFrame(schema={"who": pl.String, "at": pl.Int64})
    cache = SpanCache(Kept("who", "at", nothing, 20), lambda _: nothing)
    puts = [
        pl.DataFrame({"who": [f"{put}{number}" for number in range(4)], "from": [0] * 4})
        for put in "abcde"
    ]
    for spans in puts[:4]:
        cache.put(spans, spans.select("who", at=pl.lit(0, pl.Int64)))
    cache.put(puts[0], puts[0].select("who", at=pl.lit(1, pl.Int64)))
    assert cache.rows(pl.concat(puts[:4])).height == 16
    cache.put(puts[4], puts[4].select("who", at=pl.lit(0, pl.Int64)))
    assert cache.rows(pl.concat(puts[1:3])).is_empty()
    assert cache.rows(pl.concat([puts[0], *puts[3:]])).height == 12


def test_of_a_key_that_is_known_only_what_lies_before_is_read():
    store, asked = RowsInMemory(FOLD), []
    read = store.rows
    store.rows = lambda spans: (asked.extend(spans.rows()), read(spans))[1]
    cache = RowCache(FOLD, store)
    play(cache, store, event(9 * HOUR), event(9 * HOUR, user="bob"))
    asked.clear()
    play(cache, store, event(4 * HOUR), event(9 * HOUR + 5, user="bob"))
    assert [(user, start, end) for user, start, end in asked] == [("ann", 3 * HOUR, 8 * HOUR)]
    assert len(store.by_key) == 3


def test_after_its_turns_a_key_is_read_again():
    nothing = pl.DataFrame(schema={"who": pl.String, "at": pl.Int64})
    reads = []
    cache = SpanCache(
        Kept("who", "at", nothing, 100, turns_max=3), lambda _: (reads.append(1), nothing)[1]
    )
    spans = pl.DataFrame({"who": ["ann"], "from": [0]})
    for _ in range(8):
        cache.put(spans, cache.rows(spans))
    assert len(reads) == 3
    for _ in range(8):
        cache.put(spans, cache.rows(spans, anew=False))
    assert len(reads) == 3


def test_further_rows_are_remembered_of_keys_that_are_known():
    nothing = pl.DataFrame(schema={"who": pl.String, "at": pl.Int64})
    cache = SpanCache(Kept("who", "at", nothing, 100), lambda _: nothing)
    ann, both = (
        pl.DataFrame({"who": who, "from": [0] * len(who)}) for who in (["ann"], ["ann", "bob"])
    )
    cache.put(ann, nothing)
    cache.add(pl.DataFrame({"who": ["ann", "bob"], "at": [1, 2]}))
    assert cache.rows(both).rows() == [("ann", 1)]


def test_further_rows_of_keys_that_are_known_for_long_are_bounded_as_well():
    nothing = pl.DataFrame(schema={"who": pl.String, "at": pl.Int64})
    cache = SpanCache(Kept("who", "at", nothing, 20), lambda _: nothing)
    names = [f"u{number}" for number in range(10)]
    cache.put(pl.DataFrame({"who": names, "from": [0] * len(names)}), nothing)
    for number in range(200):
        cache.add(pl.DataFrame({"who": ["u0"], "at": [number]}))
        assert cache.size <= 20


@pytest.mark.parametrize("rows_max", [12, 60, 10_000])
def test_whatever_is_written_over_added_and_forgotten_it_gives_what_is_there(rows_max: int):
    nothing = pl.DataFrame(schema={"who": pl.String, "at": pl.Int64, "says": pl.Int64})
    there: dict[str, dict[int, int]] = {name: {} for name in "abcdefgh"}

    def rows_of(spans: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (name, at, says)
            for name, start in spans.select("who", "from").rows()
            for at, says in there[name].items()
            if at >= start
        ]
        return pl.DataFrame(rows, nothing.schema, orient="row")

    random = Random(7)
    cache = SpanCache(Kept("who", "at", nothing, rows_max), rows_of)
    for number in range(300):
        names = random.sample(sorted(there), random.randint(1, 4))
        starts = [random.choice([0, 0, 3, 6]) for _ in names]
        spans = pl.DataFrame({"who": names, "from": starts})
        found = cache.rows(spans)
        assert sorted(found.rows()) == sorted(rows_of(spans).rows())
        done = random.choice(["put", "put", "put", "add", "forget"])
        if done == "add":
            name = names[0]
            at = random.choice(sorted(set(range(9)) - set(there[name])) or [9 + number])
            there[name][at] = number
            cache.add(pl.DataFrame([(name, at, number)], nothing.schema, orient="row"))
            continue
        for name in names:
            # One row is written over, and another one may go.
            there[name] = {at: says for at, says in there[name].items() if random.random() < 0.7}
            there[name][random.randint(0, 5)] = number
        if done == "put":
            cache.put(spans, rows_of(spans))
        else:
            cache.forget(spans)
    assert cache.hits > 100 or rows_max == 12
    assert cache.size <= rows_max
