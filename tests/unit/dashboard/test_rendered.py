"""Pages that were just rendered."""

import itertools
import threading
import time

import pytest

from rtcdp.clock import ManualClock
from rtcdp.dashboard.rendered import PAGES_MAX, REST, REST_MAX_S, RenderedPages


def test_a_page_is_rendered_once_while_it_is_new() -> None:
    clock, numbers = ManualClock(), itertools.count()
    pages = RenderedPages[int](clock)
    assert [pages.get("a", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    assert pages.get("b", lambda: next(numbers)) == 1
    clock.advance(1000)
    assert pages.get("a", lambda: next(numbers)) == 2


def test_a_page_that_takes_long_is_kept_for_longer() -> None:
    clock, numbers = ManualClock(), itertools.count()
    pages, took = RenderedPages[int](clock), 500

    def render() -> int:
        clock.advance(took)
        return next(numbers)

    for number in range(2):
        assert pages.get("a", render) == number
        rest = min(REST * took, round(REST_MAX_S * 1000))
        clock.advance(rest - 1)
        assert pages.get("a", render) == number
        clock.advance(1)
        took = 60_000


def test_many_who_ask_at_once_wait_for_one() -> None:
    pages, asked, go = RenderedPages[str](ManualClock()), [], threading.Event()

    def render() -> str:
        asked.append(1)
        go.wait(10)
        return "page"

    threads = [threading.Thread(target=pages.get, args=("a", render)) for _ in range(5)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_who_asked_before_it_was_rendered_waits_for_it_however_long_that_takes() -> None:
    clock = ManualClock()
    pages, asked, waiting = RenderedPages[str](clock), [], threading.Semaphore(0)

    def render() -> str:
        asked.append(1)
        waiting.acquire(timeout=10)
        clock.advance(5000)
        return "page"

    threads = [threading.Thread(target=pages.get, args=("a", render)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while sum(thread.is_alive() for thread in threads) < 3 or not asked:
        time.sleep(0.001)
    time.sleep(0.05)
    for _ in threads:
        waiting.release()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_what_went_wrong_is_not_kept() -> None:
    pages = RenderedPages[str](ManualClock())

    def broken() -> str:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        pages.get("a", broken)
    assert pages.get("a", lambda: "back") == "back"


def test_only_so_many_are_kept() -> None:
    pages = RenderedPages[str](ManualClock())
    for number in range(PAGES_MAX + 1):
        pages.get(str(number), lambda: "old")
    assert pages.get("0", lambda: "new") == "new"
    assert pages.get(str(PAGES_MAX), lambda: "new") == "old"
