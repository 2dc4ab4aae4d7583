import pytest

from rtcdp.answers.retention import RetentionQuestion, retention_page
from rtcdp.errors import BadRequest
from tests.stories import event
from tests.told import DAY, START


@pytest.fixture
def read(make_teller):
    """Two of day 0, of whom one comes back on days 1 and 3; one of day 2; told on day 4."""
    teller = make_teller()
    events = [
        event(START + day * DAY, user=user, eventId=f"{user}{day}")
        for user, days in (("ann", (0, 1, 3)), ("bob", (0,)), ("eve", (2, 3)))
        for day in days
    ]
    teller.tell(events, START + 4 * DAY, [3])
    return teller.installation(START + 4 * DAY, allowed_lateness_ms=0)


def told_by(read, **asked):
    return retention_page(read, "daily_retention", RetentionQuestion(**asked))


def returned(cohort):
    return [cell.returned for cell in cohort.cells[:5]]


def test_cohorts_newest_first_and_what_is_not_over_is_null(read):
    page = told_by(read)
    assert [(each.cohort_start[:10], each.size) for each in page.items] == [
        ("2026-01-03", 1),
        ("2026-01-01", 2),
    ]
    newer, older = page.items
    assert returned(newer) == [0, 1, None, None, None]
    assert returned(older) == [0, 1, 0, 1, None]
    assert [cell.complete for cell in older.cells[:5]] == [True] * 4 + [False]
    assert older.cells[1].rate == 0.5
    assert older.cells[4].rate is None
    assert (page.unit, page.clock, page.tz, page.mode) == ("day", "calendar", "UTC", "on")


def test_the_pooled_row_is_made_of_what_is_over(read):
    pooled = [(each.after, each.size, each.returned, each.rate) for each in told_by(read).pooled]
    assert pooled == [(0, 3, 0, 0), (1, 3, 2, 2 / 3), (2, 2, 0, 0), (3, 2, 1, 0.5)]


def test_on_or_after_is_over_with_the_last_period(read):
    assert all(cell.returned is None for cell in told_by(read, mode="on_or_after").items[1].cells)


def test_brackets(read):
    page = told_by(read, mode="bracket", brackets="0-1,1-3,3-4")
    cells = page.items[1].cells
    assert [(c.after, c.until, c.returned) for c in cells] == [(0, 1, 0), (1, 3, 1), (3, 4, 1)]
    assert page.items[0].cells[2].returned is None


def test_cohorts_are_paged_and_chosen_by_when_people_started(read):
    first = told_by(read, limit=1)
    rest = told_by(read, limit=1, cursor=first.next_cursor)
    assert [*first.items, *rest.items] == told_by(read).items
    assert (rest.next_cursor, first.pooled) == (None, rest.pooled)
    assert len(told_by(read, start_from=START + DAY).items) == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"mode": "bracket"},
        {"brackets": "0-1"},
        {"mode": "bracket", "brackets": "1-1"},
        {"mode": "bracket", "brackets": "0-31"},
        {"mode": "bracket", "brackets": "a"},
        {"mode": "bracket", "brackets": "0-1,0-2"},
    ],
    ids=str,
)
def test_wrong_turns_say_what_to_send(read, asked):
    with pytest.raises(BadRequest) as refused:
        told_by(read, **asked)
    assert refused.value.hint


def test_cohorts_that_miss_events_say_so(read):
    read.store.limit_completeness("daily_retention", START + DAY)
    assert [each.partial for each in told_by(read).items] == [False, True]
