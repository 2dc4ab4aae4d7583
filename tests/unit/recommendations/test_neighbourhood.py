"""What stands around items is worked out once, and no more of it is kept than is said."""

import numpy as np
import pytest

from rtcdp.recommendations import NO_SESSIONS, index_of, neighbourhood
from rtcdp.recommendations.neighbourhood import Neighbourhoods, Taste
from tests.unit.recommendations.test_session_index import frame

ROWS = [(f"u{n}", n, [f"item {n % 7}", "shoe", f"item {n % 5}"]) for n in range(40)]


@pytest.fixture
def index():
    return index_of(frame(*ROWS))


def around(neighbourhoods, item, without=NO_SESSIONS):
    [code] = neighbourhoods.index.codes_of([item])
    return neighbourhoods.of(code, without)


def test_what_was_worked_out_is_kept_within_a_limit(index, monkeypatch):
    monkeypatch.setattr(neighbourhood, "CELLS_MAX", 60)
    found = Neighbourhoods(index)
    assert around(found, "item 0") is around(found, "item 0")
    largest = around(found, "shoe").cells
    for item in [f"item {n}" for n in range(7)] * 3:
        around(found, item)
        assert found.cells <= 60 + largest
    assert around(found, "shoe").looked_at == 40


def test_sessions_that_are_left_out_are_nowhere(index):
    """And where more hold the item than are looked at, older ones take their places."""
    some, places = np.arange(38, 40), np.arange(1, len(index.counts) + 1, dtype=np.int16)
    for newest in (3, 500):
        found = Neighbourhoods(index, Taste(sessions_per_item=newest))
        others = Neighbourhoods(index_of(frame(*ROWS[:38])), found.taste)
        left, never = around(found, "shoe", some), around(others, "shoe")
        counts = [each.beside(places, len(places)).tolist() for each in (left, never)]
        assert (left.looked_at, counts[0]) == (never.looked_at, counts[1])
        for told, expected in zip(left.ruled(), never.ruled(), strict=True):
            assert told.tolist() == expected.tolist()


def test_nobody_else_stands_around_what_is_held_by_those_that_are_left_out(index):
    lamp = index.changed(frame(("ann", 50, ["lamp", "shoe"])), index.sessions()[:0])
    assert around(Neighbourhoods(lamp), "lamp", np.array([40])) is None
