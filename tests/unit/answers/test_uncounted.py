"""What was not counted, asked without HTTP; tests/unit/api/test_uncounted.py asks over HTTP."""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.uncounted import (
    DeadLettersQuestion,
    DuplicatesQuestion,
    LateEventsQuestion,
    UncountedQuestion,
    uncounted_page,
)
from rtcdp.testing.driver import Driver

MakeInstallation = Callable[..., Installation]


@pytest.fixture
def installation(driver: Driver, make_installation: MakeInstallation) -> Installation:
    """Two dead letters of different reasons, a late event, a duplicate and a conflict."""
    event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms, "eventId": "1"}
    driver.feed(event, event, {**event, "value": 1}, b"{", b'{"userId":"ada"}')
    driver.feed({**event, "eventId": "2", "timestamp": driver.now_ms - 3_600_000})
    driver.process()
    return make_installation()


@pytest.mark.parametrize(
    ("question", "reasons"),
    [
        (DeadLettersQuestion(), ["missing_field", "not_json"]),
        (DeadLettersQuestion(reason=("not_json",)), ["not_json"]),
        (DeadLettersQuestion(equals={"userId": ("eve",)}), []),
        (LateEventsQuestion(), ["late"]),
        (LateEventsQuestion(equals={"userId": ("ada",), "source": ("web",)}), []),
        (DuplicatesQuestion(), ["conflict", "duplicate"]),
        (DuplicatesQuestion(reason=("conflict",)), ["conflict"]),
        (DuplicatesQuestion(limit=1), ["conflict"]),
    ],
)
def test_a_question_finds_the_records_it_means(
    installation: Installation, question: UncountedQuestion, reasons: list[str]
) -> None:
    found = [item.reason for item in uncounted_page(installation, question).items]
    assert sorted(map(str, found)) == reasons


def test_a_page_goes_on_where_the_one_before_ended(installation: Installation) -> None:
    first = uncounted_page(installation, DuplicatesQuestion(limit=1))
    second = uncounted_page(installation, DuplicatesQuestion(limit=1, cursor=first.next_cursor))
    assert second.next_cursor is None
    assert [item.offset for item in (*first.items, *second.items)] == [2, 1]


def test_seconds_that_were_taken_as_milliseconds_are_late_and_told_so(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    seconds = driver.now_ms // 1000
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": seconds})
    driver.process()
    [late] = uncounted_page(make_installation(), LateEventsQuestion()).items
    assert late.message is not None
    assert f"{seconds} looks like seconds" in late.message
    assert f"send {seconds}000" in late.message
