"""Answers that keep what they have read of whole days."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.answers import kept_rows, rollup
from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import ENTRY_BYTES, KeptDays, detached, stretches, whole_days
from rtcdp.answers.kept_rows import rows_kept
from rtcdp.answers.one_state import one_state
from rtcdp.answers.query import QueryQuestion, query_page
from rtcdp.clock import DAY_MS, ManualClock
from rtcdp.definitions import Count, Fold, Metric, tumbling
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native.erasure import Parts, erasing_epoch, traces_of
from rtcdp.errors import BadRequest
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.answers.days import DAYS, END, HOUR_MS, CountedDays, event


def told(installation: Installation) -> list[object]:
    """Much of what is put together of days: numbers, different users, top lists, categories,
    sessions."""
    asked = {
        "events_by_type": ("hour", "UTC", ("eventType",)),
        "active_users": ("day", "Europe/Berlin", ()),
        "daily_active_users": ("day", "UTC", ()),
        "top_pages": ("none", "UTC", ()),
        "revenue_by_category": ("day", "Asia/Kolkata", ("category",)),
    }
    found: list[object] = []
    for name, (interval, zone, by) in asked.items():
        question = QueryQuestion(
            metrics=(name,),
            interval=interval,  # type: ignore[arg-type]
            tz=zone,
            group_by=by,
            start_from=START_MS - HOUR_MS * 30,
            start_to=END + HOUR_MS,
        )
        found.append(query_page(installation, question).items)
    fold = find_fold(installation.folds, "sessions")
    with open_told(installation, fold) as state:
        span = (START_MS + HOUR_MS, END + DAY_MS)
        rows = rows_kept(installation.days, state, span, ("end", "event_count"), as_they_are)
    return [*found, rows.sort(rows.columns).rows()]


def as_they_are(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    del fold
    return rows


def test_a_day_that_is_the_same_is_not_read_again(shop: tuple[Driver, Installation]) -> None:
    driver, installation = shop
    days = installation.days
    assert isinstance(days, CountedDays)
    first = told(installation)
    reads = days.reads
    assert reads > 0
    assert told(installation) == first
    assert days.reads == reads
    driver.feed(event("u1", START_MS + 2 * DAY_MS + 90_000), intake="import")
    driver.process()
    told(installation)
    # The one day of each, and not the others.
    assert 0 < days.reads - reads <= 12


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(event("new", START_MS + DAY_MS), id="a user more on an old day"),
        pytest.param(event("u1", START_MS + DAY_MS - 1), id="at the end of a day"),
        # Less than half an hour from the sessions on both sides of midnight.
        pytest.param(
            event("u1", START_MS + DAY_MS + 45 * 60_000), id="a session that begins before"
        ),
        pytest.param(
            event("u1", START_MS + DAY_MS, "PURCHASE", productId="mug", value=0),
            id="a purchase of nothing",
        ),
    ],
)
def test_what_comes_late_is_in_the_next_answer(
    shop: tuple[Driver, Installation], late: dict[str, object]
) -> None:
    driver, installation = shop
    before = told(installation)
    driver.feed(late, intake="import")
    driver.process()
    fresh = told(replace(installation, days=KeptDays()))
    assert told(installation) == fresh != before


def test_who_was_erased_is_in_no_answer_that_is_kept(
    shop: tuple[Driver, Installation],
) -> None:
    """Also where the log holds their events no more, so that nothing can be counted anew."""
    driver, installation = shop
    before = told(installation)
    driver.log.trim(driver.store.progress().next_offsets[0])
    metrics, user = stored_metrics(installation.metrics), ErasedUser.of("u1", "5a" * 16, END)
    parts = Parts(driver.log, driver.store, metrics, (), (), batch_bytes=10**6)
    with one_state(installation) as still:
        with still.store.snapshot():
            traces = traces_of(parts, "u1")
            driver.store.commit(erasing_epoch(parts, user, "u1", traces))
        # What is read of the state of before is not kept as that of after.
        assert told(still) == before
    assert told(installation) == told(replace(installation, days=KeptDays())) != before


def types(installation: Installation, **more: Any) -> list[dict[str, Any]]:
    question = QueryQuestion(metrics=("events_by_type",), interval="hour", **more)
    return query_page(installation, question).items


def test_time_in_which_nothing_happened_is_read_at_once(
    shop: tuple[Driver, Installation],
) -> None:
    _, installation = shop
    days = installation.days
    assert isinstance(days, CountedDays)
    question = QueryQuestion(metrics=("revenue",), start_from="0002-01-01", start_to="9999-01-01")
    [item] = query_page(installation, question).items
    assert item["revenue.order_count"] == DAYS
    assert days.reads == DAYS
    fold = find_fold(installation.folds, "sessions")
    with open_told(installation, fold) as state:
        span = (START_MS - 700_000 * DAY_MS, END + 700_000 * DAY_MS)
        assert rows_kept(days, state, span, (), as_they_are).height == 6 * DAYS
    assert days.reads <= 2 * DAYS + 1


def test_stretches_are_days_with_a_mark_and_what_lies_between_them() -> None:
    found = [
        (each.day, each.start // DAY_MS, each.end // DAY_MS)
        for each in stretches({1: "a", 4: "b", 5: "c", 9: "d"}, DAY_MS // 2, 9 * DAY_MS)
    ]
    assert found == [(None, 0, 1), (1, 1, 2), (None, 2, 4), (4, 4, 5), (5, 5, 6), (None, 6, 9)]
    assert [each.day for each in stretches({0: "a"}, 5, 5)] == [None]


def test_what_is_put_together_of_days_has_a_bound(
    shop: tuple[Driver, Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, installation = shop
    time = {"start_from": START_MS, "start_to": END}
    assert len(types(installation, **time)) == 6 * DAYS
    monkeypatch.setattr(rollup, "ROWS_MAX", 8)
    monkeypatch.setattr(rollup, "SIDE_ROWS_MAX", 8)
    assert types(installation, **{**time, "start_to": START_MS + 2 * DAY_MS})
    with pytest.raises(BadRequest, match="more than 16 windows"):
        types(installation, **time)
    monkeypatch.setattr(kept_rows, "TOTAL_ROWS_MAX", 8)
    fold = find_fold(installation.folds, "sessions")
    with open_told(installation, fold) as state, pytest.raises(BadRequest, match="more than 8"):
        rows_kept(installation.days, state, (START_MS, END), (), as_they_are)


def test_an_answer_that_is_larger_than_what_is_kept_keeps_its_first_days(
    shop: tuple[Driver, Installation],
) -> None:
    days = CountedDays(bytes_max=4 * ENTRY_BYTES)
    installation = replace(shop[1], days=days)
    time = {"start_from": START_MS, "start_to": END}
    first = types(installation, **time)
    assert days.reads == DAYS
    assert types(installation, **time) == first
    assert DAYS < days.reads < 2 * DAYS


def test_what_is_asked_for_by_one_text_is_not_kept(shop: tuple[Driver, Installation]) -> None:
    _, installation = shop
    assert types(installation, equals={"eventType": ("PURCHASE",)}, start_from=START_MS)
    assert isinstance(installation.days, CountedDays)
    assert installation.days.reads == 0


def test_metrics_of_one_definition_are_kept_apart(tmp_path: Path) -> None:
    days = CountedDays()
    one = Metric("one", "One", tumbling(hours=1), (Count("n"),))
    both = (one, replace(one, name="other"))
    driver = Driver(both, tmp_path)
    driver.advance(seconds=2 * 86_400)
    driver.feed(event("u1", START_MS), intake="import")
    driver.process()
    shop = Installation(driver.store, both, ManualClock(END), driver.log, days=days)
    for metric in both:
        question = QueryQuestion(metrics=(metric.name,), start_from=START_MS, start_to=END)
        assert query_page(shop, question).items[0][f"{metric.name}.n"] == 1
    assert days.reads == 2
    driver.close()


def test_so_many_bytes_are_kept_and_no_more() -> None:
    days = KeptDays(bytes_max=10)
    assert [days.get(name, 1, lambda n=name: (n, 5)) for name in "abc"] == ["a", "b", "c"]
    assert days.get("c", 1, lambda: ("read again", 5)) == "c"
    assert days.get("a", 1, lambda: ("read again", 5)) == "read again"
    assert days.get("a", 2, lambda: ("of another mark", None)) == "of another mark"
    assert days.get("a", 2, lambda: ("not kept", None)) == "not kept"
    assert days.get("c", 1, lambda: ("read again", 5)) == "c"


def test_rows_whose_texts_rest_by_themselves_are_the_same() -> None:
    rows = pl.DataFrame({"page": ["/a-page-with-a-long-name", None, "/b"], "n": [1, 2, 3]})
    assert detached(rows).equals(rows)


def test_days_that_are_cut_are_not_whole() -> None:
    assert list(whole_days(0, 2 * DAY_MS)) == [0, 1]
    assert list(whole_days(1, 2 * DAY_MS)) == [1]
    assert not whole_days(1, DAY_MS + 1)
