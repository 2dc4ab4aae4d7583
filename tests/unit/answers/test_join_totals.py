"""What joins come to is what their rows say."""

from urllib.parse import parse_qs, urlsplit

import pytest

from rtcdp.answers.instant import read_instant
from rtcdp.answers.join_totals import JoinTotalsQuestion, join_totals
from tests.told import HOUR, MINUTE, START, carts
from tests.unit.answers.test_joins import NAME, rows_of


def totals_of(read, **asked):
    return join_totals(read, NAME, JoinTotalsQuestion(**asked))


def test_totals_by_day_say_what_the_rows_say(carts_told):
    page = totals_of(carts_told)
    assert [(item.cohort_start[:10], item.count, item.open) for item in page.items] == [
        ("2026-01-03", 1, True),
        ("2026-01-02", 1, False),
        ("2026-01-01", 3, False),
    ]
    first = page.items[-1]
    counts = {word: (each.count, each.value) for word, each in first.outcomes.items()}
    assert counts == {"converted": (1, 10.1), "abandoned": (2, 0.2), "waiting": (0, 0.0)}
    assert (first.value, first.right_value, first.conversion) == (10.3, 9.0, 1 / 3)
    assert (first.median_ms, first.p90_ms) == (5 * MINUTE, 5 * MINUTE)
    assert (page.items[0].median_ms, page.items[0].conversion) == (None, None)
    total = page.total
    assert (total.count, total.value, total.cohort_start) == (5, 37.3, None)
    assert total.conversion == 2 / 4
    assert total.median_ms == (HOUR + 5 * MINUTE) / 2


@pytest.mark.parametrize("asked", [{}, {"cohort": "hour"}, {"start_from": START + HOUR}], ids=str)
def test_the_address_of_each_number_lists_as_many(carts_told, asked):
    for item in totals_of(carts_told, **asked).items:
        for word, each in item.outcomes.items():
            sent = {name: text for name, [text] in parse_qs(urlsplit(each.rows_url).query).items()}
            span = {f"start_{name}": read_instant(name, sent[name]) for name in ("from", "to")}
            assert sent["outcome"] == word
            assert len(rows_of(carts_told, outcome=word, **span).items) == each.count


def test_totals_are_paged_and_know_time_zones(carts_told):
    first = totals_of(carts_told, limit=1, tz="America/New_York")
    assert [item.cohort_start for item in first.items] == ["2026-01-03T05:00:00.000Z"]
    rest = totals_of(carts_told, limit=5, tz="America/New_York", cursor=first.next_cursor)
    assert [item.count for item in rest.items] == [1, 3]
    assert rest.next_cursor is None
    whole = totals_of(carts_told, cohort="none")
    assert [item.count for item in whole.items] == [5]
    nothing = totals_of(carts_told, start_to=START)
    assert (nothing.items, nothing.total) == ([], None)


def test_what_is_bought_at_once_does_not_make_a_day_look_good(make_teller):
    """Of today's carts only those are known that were bought: none is final."""
    teller = make_teller()
    teller.tell(carts(), START + 12 * HOUR)
    [today, _] = totals_of(teller.installation(START), start_to=START + 26 * HOUR).items
    assert (today.count, today.outcomes["converted"].count, today.conversion) == (1, 1, None)
