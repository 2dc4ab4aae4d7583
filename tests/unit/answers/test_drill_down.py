"""Finding events again in the log."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.drill_down import Effort, EventPage, EventQuery, Wish, is_wished, read_events
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Equals, Metric, tumbling
from rtcdp.engines.native.processor import Processor
from rtcdp.events.event import CustomerActivityEvent
from rtcdp.log.contract import Delivery, RawRecord, Records
from rtcdp.log.limits import Retention
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

DAY_MS = 86_400_000
ANYTHING = Wish()
BOUGHT = CustomerActivityEvent(
    user_id="ada", timestamp_ms=1000, event_type="PURCHASE", product_id="p1", value=20.0
)


def event(event_id: str, user: str = "ada", second: int = 0) -> dict[str, object]:
    return {
        "eventId": event_id,
        "userId": user,
        "eventType": "PAGE_VIEW",
        "timestamp": START_MS + 1000 * second,
    }


def read(driver: Driver, wish: Wish = ANYTHING, **changes: object) -> EventPage:
    query = {"verdict": None, "start": None, "limit": 100, **changes}
    effort = query.pop("effort", Effort())
    with driver.store.snapshot() as snapshot:
        return read_events(driver.log, snapshot, EventQuery(wish, **query), effort)


def offsets(page: EventPage) -> list[int]:
    return [item.record.offset for item in page.items]


def verdicts(page: EventPage) -> list[tuple[str, str | None]]:
    return [(item.verdict, item.reason) for item in page.items]


def test_every_record_comes_with_its_verdict(driver: Driver) -> None:
    driver.feed(event("1"), event("1"), event("2", second=-3600), event("3", second=3600), b"{}")
    driver.process()
    assert verdicts(read(driver)) == [
        ("admitted", None),
        ("duplicate", "duplicate"),
        ("late", "late"),
        ("dead_letter", "future"),
        ("dead_letter", "missing_field"),
    ]


def test_a_verdict_can_be_asked_for(driver: Driver) -> None:
    driver.feed(event("1"), event("1"), event("2"))
    driver.process()
    assert offsets(read(driver, verdict=("admitted",))) == [0, 2]
    assert offsets(read(driver, verdict="duplicate")) == [1]


def test_what_is_no_event_is_found_only_by_its_source(driver: Driver) -> None:
    driver.feed(b"{}")
    driver.process()
    assert offsets(read(driver, Wish({"source": "default"}))) == [0]
    assert offsets(read(driver, Wish({"source": "app"}))) == []
    assert offsets(read(driver, Wish(time_from=0))) == []


def test_damaged_records_are_no_events(driver: Driver) -> None:
    driver.feed(event("1"))
    driver.log.damage(0)
    driver.process()
    (item,) = read(driver).items
    assert (item.is_event, item.reason) == (False, "corrupt")


def test_damaged_bytes_that_still_read_as_an_event_are_none(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.feed(event("1"))
    driver.process()
    good = driver.log.read(0, 0, 1000)
    damaged = tuple(replace(record, is_corrupt=True) for record in good.each())
    nothing = np.empty(0, np.int64)
    changed = replace(good, lines=b"", offsets=nothing, received_at=nothing, odd=damaged)
    monkeypatch.setattr(driver.log, "read", lambda *_: changed)
    assert read(driver, Wish({"userId": "ada"})).items == []


def test_escapes_in_a_record_do_not_hide_it(driver: Driver) -> None:
    driver.feed(
        b'{"userId":"\\u0061da","eventType":"PAGE_VIEW","timestamp":%d}' % START_MS,
        event("1", "bob"),
    )
    driver.process()
    assert offsets(read(driver, Wish({"userId": "ada"}))) == [0]


def test_what_is_not_committed_yet_is_not_shown(driver: Driver) -> None:
    driver.feed(event("1"))
    assert offsets(read(driver)) == []
    driver.process()
    driver.feed(event("2"))
    assert offsets(read(driver)) == [0]
    assert offsets(read(driver, Wish(time_from=START_MS))) == [0]


def test_only_stretches_with_the_wished_times_are_read(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_each_minute(driver)
    asked = recorded_reads(driver, monkeypatch)
    assert offsets(read(driver, Wish(time_from=START_MS + 120_000))) == [2]
    assert asked == [2]


def test_neighbouring_stretches_are_read_as_one(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_each_minute(driver)
    asked = recorded_reads(driver, monkeypatch)
    assert offsets(read(driver, Wish(time_to=START_MS + 120_000))) == [0, 1]
    assert asked == [0]


def test_a_full_page_goes_on_at_the_next_match(driver: Driver) -> None:
    driver.feed(*(event(str(i), user) for i, user in enumerate("abab")))
    driver.process()
    wish = Wish({"userId": "b"})
    first = read(driver, wish, limit=1)
    assert (offsets(first), first.after) == ([1], (0, 3))
    second = read(driver, wish, limit=1, start=first.after)
    assert (offsets(second), second.after) == ([3], None)


def test_no_more_records_are_looked_at_than_fill_the_page(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    each = Records.each

    def counted(records: Records) -> Iterator[RawRecord]:
        looked_at.append(records.record_count)
        return each(records)

    driver.feed(*(event(str(i), user) for i, user in enumerate(["ada"] * 500 + ["bob"])))
    driver.process()
    monkeypatch.setattr(Records, "each", counted)
    assert offsets(read(driver, limit=10)) == list(range(10))
    assert looked_at == [11]
    looked_at.clear()
    assert offsets(read(driver, Wish({"userId": "bob"}), limit=10)) == [500]
    assert sum(looked_at) == 501
    assert len(looked_at) < 8


def test_one_call_reads_a_bounded_stretch(driver: Driver) -> None:
    driver.feed(*(event(str(i)) for i in range(6)))
    driver.process()
    limits, found, start, calls = Effort(events_bytes=150, slice_bytes=100), [], None, 0
    while True:
        page = read(driver, start=start, effort=limits)
        found, start, calls = [*found, *offsets(page)], page.after, calls + 1
        if start is None:
            break
    assert found == [0, 1, 2, 3, 4, 5]
    assert calls == 3


def test_a_trimmed_log_is_told_of(driver: Driver) -> None:
    commit_each_minute(driver)
    assert not read(driver).is_trimmed
    driver.log.expire({0: 3}, Retention(max_age_ms=150_000), driver.now_ms)
    page = read(driver)
    assert (offsets(page), page.is_trimmed) == ([1, 2], True)
    assert read(driver, Wish(time_from=START_MS, time_to=START_MS + 1)).is_trimmed
    assert not read(driver, Wish(time_from=START_MS + 60_000)).is_trimmed


def test_a_log_trimmed_while_it_is_read_is_told_of_too(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.feed(event("1"))
    driver.process()
    with driver.store.snapshot() as snapshot:
        extent = driver.log.extent(0)
        monkeypatch.setattr(driver.log, "extent", lambda _: extent)
        driver.log.expire({0: 1}, Retention(max_age_ms=0), driver.now_ms + DAY_MS)
        query = EventQuery(Wish(), None, None, 10)
        page = read_events(driver.log, snapshot, query, Effort())
    assert (page.items, page.after, page.is_trimmed) == ([], None, True)


def commit_each_minute(driver: Driver) -> None:
    """Three commits of one event each, far enough apart for the store to tell them apart."""
    for second in (0, 60, 120):
        driver.feed(event(str(second), second=second))
        driver.process()
        driver.advance(seconds=60)


def recorded_reads(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The offsets that the log is read at from now on."""
    asked: list[int] = []
    real: Callable[[int, int, int], Records] = driver.log.read

    def read_and_note(partition: int, offset: int, max_bytes: int) -> Records:
        asked.append(offset)
        return real(partition, offset, max_bytes)

    monkeypatch.setattr(driver.log, "read", read_and_note)
    return asked


def test_all_partitions_are_searched_and_offsets_without_a_record_are_passed(
    tmp_path: Path,
) -> None:
    log = MemoryLog(partitions=3)
    for partition, event_id in ((0, "1"), (2, "1"), (2, "2"), (0, "3")):
        body = msgspec.json.encode(event(event_id)) + b"\n"
        log.append([Delivery(body, 1, START_MS + partition)], partition)
        log.leave_out(2, partition)
    store = SqliteStore(tmp_path / "store.db")
    Processor(log, store, [], AdmissionRules(), ManualClock()).run(threading.Event(), once=True)
    for wish in (ANYTHING, Wish(time_from=START_MS)):
        found, start = [], None
        while True:
            query = EventQuery(wish, None, start, 1)
            with store.snapshot() as snapshot:
                page = read_events(log, snapshot, query, Effort())
            found += [(i.record.partition, i.record.offset, i.verdict) for i in page.items]
            start = page.after
            if start is None:
                break
        assert found == [
            (0, 0, "admitted"),
            (0, 3, "admitted"),
            (2, 0, "duplicate"),
            (2, 3, "admitted"),
        ]
    store.close()


@pytest.mark.parametrize(("slice_bytes", "events_bytes"), [(1, 10**6), (200, 600), (10**6, 1)])
def test_backwards_is_the_reverse_of_forwards_however_little_is_read_at_once(
    driver: Driver, slice_bytes: int, events_bytes: int
) -> None:
    for first in range(0, 90, 30):
        driver.feed(
            *(event(str(n), user="ada" if n % 3 else "bob") for n in range(first, first + 30))
        )
    driver.process()
    limits = replace(Effort(), slice_bytes=slice_bytes, events_bytes=events_bytes)
    for wish in (ANYTHING, Wish({"userId": "bob"}), Wish({"userId": ("bob", "eve")})):
        found, start = [], None
        while True:
            page = read(driver, wish, newest_first=True, start=start, limit=7, effort=limits)
            found += offsets(page)
            start = page.after
            if start is None:
                break
        assert found == offsets(read(driver, wish))[::-1]


def test_backwards_over_what_is_no_longer_kept_says_so(driver: Driver) -> None:
    driver.feed(*(event(str(n)) for n in range(5)))
    driver.process()
    driver.log.trim(3)
    page = read(driver, newest_first=True)
    assert offsets(page) == [4, 3]
    assert page.is_trimmed


def test_what_is_no_longer_known_is_not_called_admitted(driver: Driver) -> None:
    driver.feed(event("1"), event("1"), event("2", second=-3600), b"{}")
    driver.advance(seconds=60)
    driver.feed(event("3"), event("3"))
    driver.process()
    driver.store.expire(buckets_before=0, uncounted_before=START_MS + 30_000, offsets_before={0: 4})
    assert verdicts(read(driver)) == [
        ("unknown", None),
        ("unknown", None),
        ("unknown", None),
        ("dead_letter", None),
        ("admitted", None),
        ("duplicate", "duplicate"),
    ]
    assert offsets(read(driver, verdict=("admitted",))) == [4]
    assert offsets(read(driver, verdict=("unknown",))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), True),
        (Wish(time_from=1000), True),
        (Wish(time_from=1001), False),
        (Wish(time_to=1001), True),
        (Wish(time_to=1000), False),
        (Wish(equals={"userId": "ada", "source": "web"}), True),
        (Wish(equals={"userId": "ada", "source": "app"}), False),
        (Wish(equals={"pageUrl": ""}), False),
    ],
)
def test_fields_and_times_narrow_what_is_wished(wish: Wish, expected: bool) -> None:
    assert is_wished(wish, BOUGHT, "web") is expected


def test_a_metric_looks_only_at_events_with_all_its_key_fields() -> None:
    window, count = tumbling(minutes=1), (Count("n"),)
    assert is_wished(Wish(metric=Metric("m", "M", window, count, ("productId",))), BOUGHT, "web")
    assert not is_wished(Wish(metric=Metric("m", "M", window, count, ("pageUrl",))), BOUGHT, "web")


def test_a_metric_looks_only_at_events_of_its_predicate() -> None:
    views = Metric("m", "M", tumbling(minutes=1), (Count("n"),), (), Equals("eventType", "SEARCH"))
    assert not is_wished(Wish(metric=views), BOUGHT, "web")
