"""The events behind a number, asked without HTTP; tests/unit/api/test_events.py asks over HTTP."""

from collections.abc import Callable

import pytest

from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventsQuestion, events_page
from rtcdp.answers.freshness import Installation
from rtcdp.errors import BadRequest, NotThere
from rtcdp.log.contract import LogUnavailable
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

MakeInstallation = Callable[..., Installation]
VIEWS = "user_page_view_counts"


@pytest.fixture
def fed(driver: Driver) -> Driver:
    """Four page views of ada, 30 s apart, as one delivery."""
    driver.advance(seconds=120)
    driver.feed(
        *(
            {
                "userId": "ada",
                "eventType": "PAGE_VIEW",
                "timestamp": START_MS + 30_000 * i,
                "eventId": str(i),
            }
            for i in range(4)
        )
    )
    driver.process()
    return driver


@pytest.mark.usefixtures("fed")
def test_a_window_is_asked_for_by_its_metric_and_start(make_installation: MakeInstallation) -> None:
    question = EventsQuestion(metric=VIEWS, window_start=START_MS, equals={"userId": ("ada",)})
    page = events_page(make_installation(), question, Effort())
    assert [item.offset for item in page.items] == [0, 1]


@pytest.mark.usefixtures("fed")
@pytest.mark.parametrize(("order", "offsets"), [("asc", [0, 1, 2, 3]), ("desc", [3, 2, 1, 0])])
def test_pages_of_one_event_are_all_of_them(
    make_installation: MakeInstallation, order: str, offsets: list[int]
) -> None:
    installation, found, cursor = make_installation(), [], None
    while not found or cursor is not None:
        question = EventsQuestion(order=order, limit=1, cursor=cursor)
        page = events_page(installation, question, Effort())
        found += [item.offset for item in page.items]
        cursor = page.next_cursor
    assert found == offsets


def test_what_can_not_be_meant_is_refused(make_installation: MakeInstallation) -> None:
    installation = make_installation()
    with pytest.raises(NotThere, match="no metric 'nothing'"):
        events_page(installation, EventsQuestion(metric="nothing"), Effort())
    with pytest.raises(BadRequest, match="needs a metric"):
        events_page(installation, EventsQuestion(window_start=0), Effort())
    with pytest.raises(BadRequest, match="no window of"):
        events_page(installation, EventsQuestion(metric=VIEWS, window_start=1), Effort())
    with pytest.raises(NotThere, match="no log"):
        events_page(make_installation(log=None), EventsQuestion(), Effort())


@pytest.mark.usefixtures("fed")
def test_a_log_that_was_not_counted_tells_no_verdicts(make_installation: MakeInstallation) -> None:
    with pytest.raises(LogUnavailable):
        events_page(make_installation(log=MemoryLog()), EventsQuestion(), Effort())
