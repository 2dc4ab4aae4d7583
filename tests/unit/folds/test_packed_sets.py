"""Packed sets are joined as sets are, and keep the smallest members."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.folds.packed_sets import MEMBERS_AT_ONCE, hashed, joined, unpacked

SMALL = st.integers(0, 12) | st.just(2**64 - 1)
row = st.one_of(st.tuples(st.just("one"), SMALL), st.tuples(st.just("set"), st.frozensets(SMALL)))


def packed(members):
    return "".join(f",{member:016x}" for member in sorted(members)) or None


@given(st.lists(st.tuples(st.integers(0, 2), row), max_size=20), st.integers(1, 5))
def test_joining_is_the_union_of_sets(rows, members_max):
    rows.sort(key=lambda pair: pair[0])
    # No stored set has more members than it may.
    kept = [
        (group, kind, brought if kind == "one" else set(sorted(brought)[:members_max]))
        for group, (kind, brought) in rows
    ]
    groups = pl.Series([group for group, _, _ in kept], dtype=pl.Int64).to_numpy()
    sets = [packed(brought) if kind == "set" else None for _, kind, brought in kept]
    ones = [brought if kind == "one" else None for _, kind, brought in kept]
    found = joined(
        groups, pl.Series(sets, dtype=pl.String), pl.Series(ones, dtype=pl.UInt64), members_max
    )
    unions = {}
    for group, kind, brought in kept:
        unions.setdefault(group, set()).update({brought} if kind == "one" else brought)
    expected = [
        (group, packed(sorted(union)[:members_max]), min(len(union), members_max))
        for group, union in sorted(unions.items())
        if union
    ]
    assert found.rows() == expected


def test_each_set_of_very_many_is_what_it_is_alone():
    count = 2 * MEMBERS_AT_ONCE // 50
    random = np.random.default_rng(5)
    groups = np.repeat(np.arange(count), 50)
    ones = pl.Series(random.integers(0, 2**63, len(groups)).astype(np.uint64))
    no_sets = pl.Series([None], dtype=pl.String).new_from_index(0, len(groups))
    found = joined(groups, no_sets, ones, 60)
    assert found["group"].to_list() == list(range(count))
    assert (unpacked(found["packed"]) == np.sort(ones.to_numpy().reshape(-1, 50)).ravel()).all()
    again = np.repeat(np.arange(count), 2)
    both = found["packed"].gather(again)
    is_set = pl.Series(np.arange(2 * count) % 2 == 0)
    sets = pl.select(pl.when(is_set).then(both)).to_series()
    news = pl.Series(random.integers(0, 2**63, len(again)).astype(np.uint64))
    grown = joined(again, sets, pl.select(pl.when(~is_set).then(news)).to_series(), 60)
    assert grown["group"].to_list() == list(range(count))
    members = np.column_stack([ones.to_numpy().reshape(-1, 50), news.to_numpy()[1::2]])
    assert (unpacked(grown["packed"]) == np.sort(members).ravel()).all()


def test_a_set_is_read_back():
    assert unpacked(pl.Series([packed({1, 255}), packed({2**64 - 1})])).tolist() == [
        *(1, 255),
        2**64 - 1,
    ]


def test_a_hash_is_the_same_everywhere_and_nothing_has_none():
    # From the published test vectors of XXH64 with seed 0.
    assert hashed(pl.Series(["", None, "a"])).to_list() == [
        0xEF46DB3751D8E999,
        None,
        0xD24EC4F1A98C6E5B,
    ]
