"""Questions, and what their fields say."""

import msgspec
import pytest

from rtcdp.answers.events import EventsQuestion
from rtcdp.answers.ledger import LedgerQuestion
from rtcdp.answers.metrics import PageViewsQuestion, RecentPageViewsQuestion, WindowsQuestion
from rtcdp.answers.question import beginning
from rtcdp.answers.uncounted import DeadLettersQuestion, DuplicatesQuestion, LateEventsQuestion
from rtcdp.errors import BadRequest
from rtcdp.events.event import MIN_TIMESTAMP_MS

QUESTIONS = (
    *(DeadLettersQuestion, DuplicatesQuestion, EventsQuestion, LateEventsQuestion, LedgerQuestion),
    *(PageViewsQuestion, RecentPageViewsQuestion, WindowsQuestion),
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_can_be_asked_without_saying_anything(question: type[msgspec.Struct]) -> None:
    assert question() == question()


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_question_is_if_nobody_says_is_within_its_bounds(
    question: type[msgspec.Struct],
) -> None:
    assert msgspec.convert(msgspec.to_builtins(question()), question) == question()
    with pytest.raises(msgspec.ValidationError, match="<= 1000"):
        msgspec.convert({"limit": 1001}, question)


@pytest.mark.parametrize(
    ("since_ms", "start_ms"),
    [(1_000, 9_000), (120_000, -110_000), (999_999 * 604_800_000, MIN_TIMESTAMP_MS)],
)
def test_since_is_a_duration_before_now(since_ms: int, start_ms: int) -> None:
    assert beginning(None, since_ms, 10_000) == start_ms


def test_a_list_begins_at_one_time() -> None:
    assert beginning(86_400_000, None, 0) == 86_400_000
    assert beginning(None, None, 0) is None
    with pytest.raises(BadRequest, match="both say where to begin"):
        beginning(86_400_000, 3_600_000, 0)
