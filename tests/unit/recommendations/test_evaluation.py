"""The evaluation, on sessions whose next item is known."""

import polars as pl
import pytest

from rtcdp.recommendations.evaluation import CLICKS_SCHEMA, WAYS, Plan, evaluate

DAY, MINUTE = 86_400_000, 60_000


def clicks(*sessions):
    rows = [
        (name, at + place * MINUTE, item)
        for name, at, items in sessions
        for place, item in enumerate(items)
    ]
    return pl.DataFrame(rows, CLICKS_SCHEMA, orient="row")


KNOWN = tuple((f"k{number}", number, ["shoe", "sock"]) for number in range(5))
CROWD = tuple((f"c{number}", number, ["hat", "lamp"]) for number in range(9))


def quality(found, way):
    return next(each for each in found.qualities if each.way == way)


def test_the_next_item_is_guessed_of_what_ended_before():
    found = evaluate(clicks(*KNOWN, *CROWD, ("new", 2 * DAY, ["shoe", "shoe", "sock"])), WAYS)
    assert (found.guesses, found.unknown, found.sessions, found.known_sessions) == (1, 0, 1, 14)
    assert quality(found, "rtcdp").mrr_20 == 1.0
    # Behind the hat and the lamp.
    assert quality(found, "popular").mrr_20 == pytest.approx(1 / 3)
    assert quality(found, "rtcdp").coverage_20 == pytest.approx(1 / 4)


def test_what_nobody_saw_before_can_not_be_guessed():
    found = evaluate(clicks(*KNOWN, ("new", 2 * DAY, ["shoe", "kite"])), WAYS)
    assert (found.guesses, found.unknown) == (0, 1)
    assert quality(found, "rtcdp").hit_rate_20 == 0.0


def test_sessions_of_the_last_day_are_known_when_they_have_ended():
    first = ("first", 2 * DAY, ["shoe", "kite"])
    told: list[tuple[int, int]] = []
    plan = Plan(refresh_ms=MINUTE)
    later = evaluate(
        clicks(*KNOWN, first, ("then", 2 * DAY + 9 * MINUTE, ["shoe", "kite"])),
        WAYS,
        plan,
        lambda done, of: told.append((done, of)),
    )
    assert (later.guesses, later.unknown) == (1, 1)
    assert quality(later, "rtcdp").hit_rate_10 == 1.0
    assert told[-1] == (2, 2)
    at_once = evaluate(clicks(*KNOWN, first, ("then", 2 * DAY, ["shoe", "kite"])), WAYS, plan)
    assert (at_once.guesses, at_once.unknown) == (0, 2)
