"""What sessions are counted for."""

from dataclasses import replace

import pytest

from rtcdp.answers import fold_rows
from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import KeptDays
from rtcdp.clock import HOUR_MS
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.overview.figures import FIGURES, Figure
from rtcdp.dashboard.overview.visits import visits
from rtcdp.dashboard.period import Period
from rtcdp.errors import NotThere
from rtcdp.store import RowScan
from tests.unit.dashboard.overview.conftest import MINUTE_MS, NOW

BY_NAME = {figure.name: figure for figure in FIGURES}


def told(shop: Installation, hour: Buckets, **equals: tuple[str, ...]) -> dict[str, Figure]:
    found = visits(shop, hour, equals)
    return {name: found.figure(figure) for name, figure in BY_NAME.items()}


def test_sessions_stand_where_they_began(shop: Installation, hour: Buckets) -> None:
    figures = told(shop, hour)
    sessions = figures["sessions"]
    assert (sessions.total, sessions.closed_total, sessions.before_total) == (4, 3, 1)
    assert sessions.values[-1] == 1
    # Dan has just come: whether he buys, or looks at a second page, is still open.
    assert figures["conversion"].total == figures["conversion"].closed_total
    assert figures["conversion"].note == figures["bounce"].note == "1 still going on"
    assert figures["conversion"].closed_total == pytest.approx(1 / 3)
    assert figures["conversion"].before_total == 1
    assert figures["bounce"].total == pytest.approx(1 / 3)
    assert figures["bounce"].values[0] is None
    assert len(sessions.before) == hour.closed


def test_what_may_still_come_late_keeps_a_session_open(shop: Installation, hour: Buckets) -> None:
    """As the list of sessions has it."""
    patient = replace(shop, allowed_lateness_ms=40 * MINUTE_MS)
    conversion = told(patient, hour)["conversion"]
    assert (conversion.total, conversion.note) == (None, "4 still going on")
    with open_told(patient, find_fold(patient.folds, "sessions")) as state:
        rows = state.snapshot.row_scan(RowScan(state.fold.table, hour.start, hour.end, limit=10))
        assert rows.filter(state.is_open()).height == 4


@pytest.mark.parametrize("hours", [1, 7 * 24])
def test_sums_are_the_same_in_however_many_slices_sessions_are_read(
    shop: Installation, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices come newest first."""
    buckets = buckets_of(Period(NOW - hours * HOUR_MS, NOW, True), "UTC", NOW)
    whole = visits(replace(shop, days=KeptDays()), buckets, {})
    monkeypatch.setattr(fold_rows, "_SLICE_ROWS", 2)
    assert visits(replace(shop, days=KeptDays()), buckets, {}) == whole


def test_a_time_before_that_is_not_whole_is_compared_with_nothing(
    shop: Installation, hour: Buckets
) -> None:
    found = replace(visits(shop, hour, {}), has_all_before=False)
    for name in ("sessions", "conversion"):
        figure = found.figure(BY_NAME[name])
        assert (figure.before_total, figure.change) == (None, None)


def test_only_those_that_began_on_a_page(shop: Installation, hour: Buckets) -> None:
    figures = told(shop, hour, entry_page=("/a",))
    assert figures["sessions"].total == figures["users"].total == 1
    assert figures["views"].total == 2
    for name in ("carts", "orders", "revenue"):  # what a session is worth has its carts in it
        assert "page" in (figures[name].missing or "")
    assert told(shop, hour, entry_page=("/",), exit_page=("/mug",))["sessions"].total == 1


def test_pages_that_sessions_begin_and_end_on_are_ranked(shop: Installation, hour: Buckets) -> None:
    ends = visits(shop, hour, {}).ends
    assert [(row.label, row.value) for row in ends["entry_page"]] == [("/", 3), ("/a", 1)]
    assert [(row.label, row.value) for row in ends["exit_page"]] == [("/", 3), ("/mug", 1)]


def test_a_store_without_sessions_is_said(shop: Installation, hour: Buckets) -> None:
    with pytest.raises(NotThere):
        visits(replace(shop, folds=()), hour, {})
