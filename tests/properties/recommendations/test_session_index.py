"""What is recommended is a function of the set of sessions, whatever was changed and taken out."""

import random
from dataclasses import replace
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.recommendations import (
    NO_SESSIONS,
    SESSIONS_SCHEMA,
    Model,
    Wish,
    index_of,
    keys_frame,
    recommended,
    scoring,
    session_index,
)
from rtcdp.recommendations.neighbourhood import PLAIN_NEIGHBOURS, USUAL, Taste
from rtcdp.recommendations.scoring import last_items, scored
from tests.properties.recommendations import naive_neighbours
from tests.scale import scaled

ITEMS = ("hat", "kite", "lamp", "shoe", "sock", "tent")
HOUR = 3_600_000

users = st.sampled_from(("ann", "bob", "cay", "é"))
hours = st.integers(0, 40).map(lambda hour: hour * HOUR)
sessions = st.lists(
    st.tuples(
        users,
        hours,
        st.lists(st.sampled_from(ITEMS), max_size=6),
    ),
    max_size=14,
    unique_by=lambda each: each[:2],
)
baskets = st.lists(st.sampled_from((*ITEMS, "unknown")), max_size=5)
SMALL = Taste(items_max=3, sessions_per_item=4, neighbours=5, near_items=2, rule_steps=2)
TASTES = {
    "usual": USUAL,
    "small": SMALL,
    "plain": PLAIN_NEIGHBOURS,
    "rules alone": replace(SMALL, rules=1.0),
    "looking ahead": replace(SMALL, rules=0.5, rules_back=0.0),
}


def frame(rows):
    return pl.DataFrame(list(rows), SESSIONS_SCHEMA, orient="row")


def points(index, session, taste, without=NO_SESSIONS):
    found = scored(index, last_items(index, session, taste), without, taste)
    names = [index.items.names[code] for code in found.codes]
    return dict(zip(names, found.points.tolist(), strict=True))


def answers(index, session):
    model = Model(index)
    wishes = (Wish(4), Wish(3, frozenset({"hat"})), Wish(3, diversity=0.5))
    return [recommended(model, session, wish) for wish in wishes]


@pytest.mark.parametrize("taste", TASTES.values(), ids=TASTES)
@settings(max_examples=60)
@given(sessions, baskets)
def test_points_are_those_on_paper(taste, rows, basket):
    index = index_of(frame(rows))
    current = list(dict.fromkeys(reversed(basket)))
    expected = naive_neighbours.points_of(rows, current, taste)
    assert points(index, basket, taste) == pytest.approx(expected)


@settings(max_examples=30)
@given(sessions, baskets)
def test_many_products_give_the_same_points_as_few(rows, basket):
    """Of many of them those that are there are sorted, of few each has a place."""
    index = index_of(frame(rows))
    few = answers(index, basket)
    with patch.object(scoring, "_COUNTED_IN_PLACE", 0):
        assert answers(index, basket) == few


@settings(max_examples=80)
@given(sessions, st.lists(st.tuples(sessions, st.integers(0, 9)), max_size=4), baskets, st.data())
def test_changes_leave_no_trace(rows, changes, basket, data):
    """Sessions come, change and go in any order, and the index is joined at any time: answers are,
    to the last bit, those of an index that never knew of it."""
    there = {row[:2]: row for row in rows}
    index = index_of(frame(rows))
    for more, number in changes:
        gone = data.draw(st.lists(st.sampled_from(sorted(there)), max_size=3)) if there else []
        gone = [key for key in gone if key not in {row[:2] for row in more}]
        recent_max = data.draw(st.sampled_from((0, 3, 1_000)))
        with patch.object(session_index, "RECENT_MAX", recent_max):
            index = index.changed(frame(more), keys_frame([*gone, ("nobody", number)]))
        there = {key: row for key, row in there.items() if key not in gone}
        there |= {row[:2]: row for row in more}
    anew = index_of(frame(there.values()))
    assert answers(index, basket) == answers(anew, basket)
    assert index.sessions().equals(anew.sessions())


@settings(max_examples=scaled(20, chaos=300))
@given(sessions, sessions, st.integers(0, 6), st.none() | st.tuples(hours, users))
def test_the_newest_are_held_and_of_those_of_one_time_the_first_users(rows, more, count, edge):
    there = {row[:2]: row for row in (*rows, *more)}
    some = [row for row in there.values() if row[2]]
    newest = sorted(some, key=lambda row: (-row[1], row[0]))
    if edge is not None:
        start, user = edge
        newest = [row for row in newest if row[1] > start or (row[1] == start and row[0] <= user)]
    index = index_of(frame(rows)).changed(frame(more), keys_frame(()), edge, count)
    assert index.sessions().equals(index_of(frame(newest[:count])).sessions())
    last = newest[:count][-1:]
    assert index.oldest == (None if not last else (last[0][1], last[0][0]))


@settings(max_examples=60)
@given(sessions, baskets)
def test_one_s_own_session_is_not_heard(rows, basket):
    """As if it were not there, but for how rare things are."""
    if not rows:
        return
    taste = replace(SMALL, rarity=0.0)
    index = index_of(frame(rows))
    without = index.numbers_of(keys_frame([rows[0][:2]]))
    others = index_of(frame(rows[1:]))
    found = points(index, basket, taste, without)
    current = [index.items.names[code] for code in last_items(index, basket, taste)]
    if current == [others.items.names[code] for code in last_items(others, basket, taste)]:
        assert found == pytest.approx(points(others, basket, taste))


def test_a_thousand_users_are_erased_as_if_they_had_never_been():
    rng = random.Random(7)
    weights = [1 / (rank + 1) for rank in range(200)]
    rows = [
        (f"u{number % 3_000:04d}", number * 60_000, rng.choices(range(200), weights, k=4))
        for number in range(9_000)
    ]
    rows = [(user, at, [f"p{item}" for item in items]) for user, at, items in rows]
    erased = {f"u{number:04d}" for number in rng.sample(range(3_000), 1_000)}
    gone = keys_frame(row[:2] for row in rows if row[0] in erased)
    index = index_of(frame(rows)).changed(frame([]), gone)
    never = index_of(frame(row for row in rows if row[0] not in erased))
    assert index.session_count == never.session_count == 6_000
    for item in range(0, 200, 5):
        assert answers(index, [f"p{item}", "p1"]) == answers(never, [f"p{item}", "p1"])
