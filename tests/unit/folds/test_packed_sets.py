"""Packed sets are joined as sets are, and keep the smallest members."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.folds.packed_sets import hashed, joined, unpacked

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
