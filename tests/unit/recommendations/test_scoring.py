"""Points: who is heard, and what makes more of it."""

from dataclasses import replace

import pytest

from rtcdp.recommendations import NO_SESSIONS, index_of, keys_frame
from rtcdp.recommendations.neighbourhood import PLAIN_NEIGHBOURS, USUAL, Taste
from rtcdp.recommendations.scoring import last_items, scored
from tests.unit.recommendations.test_session_index import frame

DAY = 86_400_000


def points(index, session, taste=USUAL, without=NO_SESSIONS):
    found = scored(index, last_items(index, session, taste), without, taste)
    names = [index.items.names[code] for code in found.codes]
    return dict(zip(names, found.points.tolist(), strict=True))


def test_last_items_are_different_and_known():
    index = index_of(frame(("ann", 1, ["hat", "shoe"])))
    current = last_items(index, ["shoe", "hat", "kite", "shoe"])
    assert [index.items.names[code] for code in current] == ["shoe", "hat"]
    assert last_items(index, ["hat", "shoe"], Taste(items_max=1)) == current[:1]


def test_who_shares_more_says_more():
    index = index_of(frame(("a", 1, ["hat", "shoe", "kite"]), ("b", 2, ["shoe", "lamp", "tent"])))
    found = points(index, ["hat", "shoe"], PLAIN_NEIGHBOURS)
    assert found["kite"] == pytest.approx(1.7)
    assert found["lamp"] == pytest.approx(1.0)


def test_what_is_old_says_less():
    index = index_of(frame(("a", 0, ["shoe", "kite"]), ("b", 7 * DAY, ["shoe", "lamp"])))
    found = points(index, ["shoe"], replace(PLAIN_NEIGHBOURS, old_days=7.0))
    assert found["lamp"] / found["kite"] == pytest.approx(2.718, abs=0.001)


def test_what_follows_counts_more_than_what_came_before():
    index = index_of(frame(("a", 1, ["lamp", "shoe", "kite"])))
    found = points(index, ["shoe"], replace(USUAL, rules=1.0))
    assert found["kite"] == pytest.approx(1.0)
    assert found["lamp"] == pytest.approx(0.7)


def test_nobody_to_hear():
    index = index_of(frame(("a", 1, ["shoe", "kite"])))
    assert points(index, ["hat"]) == {}
    own = index.numbers_of(keys_frame([("a", 1)]))
    assert points(index, ["shoe"], without=own) == {}
