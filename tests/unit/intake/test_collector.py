import asyncio
import gzip
import threading
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.intake.collector import Collector, IntakeAnswer
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused
from rtcdp.log.contract import Delivery, LogFailed, LogFull, LogUnavailable, Records

NDJSON = "application/x-ndjson"
PATIENCE_S = 60


def event(n: int = 1) -> bytes:
    return b'{"eventId":"e-%d","userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}' % n


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():
            await asyncio.sleep(0.001)


async def refusal_of(taking: object) -> RequestRefused:
    async with asyncio.timeout(60):
        with pytest.raises(RequestRefused) as refused:
            await taking  # type: ignore[misc]
    return refused.value


@pytest.fixture
def limited(log, clock: ManualClock):
    made: list[Collector] = []

    def make(**limits: int) -> Collector:
        made.append(Collector(log, clock, CollectorLimits(**limits)))
        return made[-1]

    yield make
    log.gate.set()
    for collector in made:
        collector.close()


async def test_a_request_becomes_one_delivery(collector: Collector, log, clock) -> None:
    answer = await collector.take(event(1) + b"\nbad\n" + event(2), NDJSON, "", "shop", "import")
    assert (answer.accepted, answer.duplicates, len(answer.rejected)) == (2, 0, 1)
    assert log.deliveries == [
        Delivery(
            event(1) + b"\n" + event(2) + b"\n",
            2,
            clock.now_ms(),
            source="shop",
            intake="import",
            rejects=((1, b"bad"),),
        )
    ]


async def test_the_answer_comes_only_after_the_append(collector: Collector, log) -> None:
    log.gate.clear()
    taking = asyncio.create_task(collector.take(event()))
    await until(log.reached.is_set)
    assert not taking.done()
    assert log.groups == []
    log.gate.set()
    assert await taking == IntakeAnswer(1, 0)
    assert log.records == [event()]


async def test_the_intake_time_is_when_the_body_was_there(collector, log, clock) -> None:
    log.gate.clear()
    taking = asyncio.create_task(collector.take(event()))
    await until(log.reached.is_set)
    taken_at = clock.now_ms()
    clock.advance(5000)
    log.gate.set()
    await taking
    assert log.deliveries[0].received_at == taken_at


async def test_requests_that_wait_together_are_appended_together(collector, log) -> None:
    log.gate.clear()
    first = asyncio.create_task(collector.take(event(0)))
    await until(log.reached.is_set)
    others = [asyncio.create_task(collector.take(event(n))) for n in range(1, 10)]
    await until(lambda: collector.stats().pending_requests == 10)
    log.gate.set()
    assert await asyncio.gather(first, *others) == [IntakeAnswer(1, 0)] * 10
    assert [len(group) for group in log.groups] == [1, 9]
    assert collector.stats().group_requests_max == 9


async def test_nothing_is_appended_for_an_empty_array(collector: Collector, log) -> None:
    assert await collector.take(b"[]") == IntakeAnswer(0, 0)
    assert log.appends == 0


async def test_duplicates_are_counted_and_appended_all_the_same(collector, log) -> None:
    assert await collector.take(event(1)) == IntakeAnswer(1, 0)
    both = event(1) + b"\n" + event(2) + b"\n" + event(2)
    assert await collector.take(both) == IntakeAnswer(1, 2)
    assert len(log.records) == 4


async def test_the_same_id_twice_in_one_group_is_one_duplicate(collector, log) -> None:
    log.gate.clear()
    takings = [asyncio.create_task(collector.take(event())) for _ in range(3)]
    await until(lambda: collector.stats().pending_requests == 3)
    log.gate.set()
    assert sorted(answer.duplicates for answer in await asyncio.gather(*takings)) == [0, 1, 1]


async def test_ids_are_told_apart_by_source(collector: Collector) -> None:
    await collector.take(event(), source="a")
    assert (await collector.take(event(), source="b")).duplicates == 0


async def test_an_id_is_remembered_only_once_it_is_durable(collector: Collector, log) -> None:
    log.error = LogUnavailable("no room")
    await refusal_of(collector.take(event()))
    log.error = None
    assert await collector.take(event()) == IntakeAnswer(1, 0)


async def test_a_rejected_event_is_no_duplicate(collector: Collector) -> None:
    bad = b'{"eventId":"e-1"}'
    await collector.take(bad)
    answer = await collector.take(bad)
    assert (answer.accepted, answer.duplicates, len(answer.rejected)) == (0, 0, 1)


async def test_what_the_log_holds_already_is_known_again(collector: Collector) -> None:
    records = Records(
        partition=0,
        first_offset=0,
        next_offset=1,
        lines=event() + b"\n",
        offsets=np.zeros(1, dtype=np.int64),
        received_at=np.array([1_767_225_600_000], dtype=np.int64),
        source_codes=np.zeros(1, dtype=np.int64),
        imported=np.zeros(1, dtype=np.bool_),
        sources=("shop",),
    )
    collector.recall(records)
    assert await collector.take(event(), source="shop") == IntakeAnswer(0, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LogUnavailable("locked"), "log_unavailable"),
        (LogFull("at its limit"), "log_full"),
        (UsageError("one source too many", "use another"), "too_many_sources"),
    ],
)
async def test_an_append_that_may_succeed_later_asks_to_try_again(
    collector: Collector, log, error: Exception, code: str
) -> None:
    log.error = error
    refused = await refusal_of(collector.take(event()))
    assert (refused.code, refused.retry_after_s) == (code, 1)
    assert refused.status in (429, 503)
    assert str(error) in refused.hint
    log.error = None
    assert await collector.take(event()) == IntakeAnswer(1, 0)
    assert collector.ready


async def test_a_failed_append_fails_its_whole_group(collector: Collector, log) -> None:
    log.gate.clear()
    takings = [asyncio.create_task(collector.take(event(n))) for n in range(5)]
    await until(lambda: collector.stats().pending_requests == 5)
    log.error = LogUnavailable("locked")
    log.gate.set()
    assert [(await refusal_of(taking)).code for taking in takings] == ["log_unavailable"] * 5
    assert collector.stats().pending_bytes == 0


async def test_a_failed_log_ends_the_intake_for_good(log, clock: ManualClock) -> None:
    failures: list[LogFailed] = []
    told = threading.Event()

    def on_failure(failure: LogFailed) -> None:
        failures.append(failure)
        told.set()

    collector = Collector(log, clock, on_failure=on_failure)
    log.error = LogFailed("fsync failed")
    assert (await refusal_of(collector.take(event(1)))).code == "log_failed"
    assert (collector.failure, collector.ready) == (log.error, False)
    log.error = None
    refused = await refusal_of(collector.take(event(2)))
    assert (refused.code, refused.status) == ("log_failed", 503)
    assert told.wait(PATIENCE_S)
    assert failures == [collector.failure]
    assert log.appends == 1
    collector.close()


async def test_requests_that_wait_behind_a_failed_append_are_refused_too(log, clock) -> None:
    failures: list[LogFailed] = []
    collector = Collector(log, clock, on_failure=failures.append)
    log.gate.clear()
    first = asyncio.create_task(collector.take(event(0)))
    await until(log.reached.is_set)
    second = asyncio.create_task(collector.take(event(1)))
    await until(lambda: collector.stats().pending_requests == 2)
    log.error = LogFailed("fsync failed")
    log.gate.set()
    assert [(await refusal_of(taking)).code for taking in (first, second)] == ["log_failed"] * 2
    collector.close()
    assert log.appends == 1
    assert failures == [log.error]


async def test_when_too_many_requests_wait_more_are_refused_at_once(limited, log) -> None:
    collector = limited(max_pending_requests=2)
    log.gate.clear()
    takings = [asyncio.create_task(collector.take(event(n))) for n in range(2)]
    await until(lambda: collector.stats().pending_requests == 2)
    refused = await refusal_of(collector.take(event(3)))
    assert (refused.code, refused.status, refused.retry_after_s) == ("overloaded", 503, 1)
    log.gate.set()
    await asyncio.gather(*takings)
    assert await collector.take(event(4)) == IntakeAnswer(1, 0)


async def test_when_too_many_bytes_wait_more_are_refused_at_once(limited, log) -> None:
    collector = limited(max_pending_bytes=200)
    log.gate.clear()
    takings = [asyncio.create_task(collector.take(event(n))) for n in range(2)]
    await until(lambda: collector.stats().pending_requests == 2)
    assert (await refusal_of(collector.take(event(3)))).code == "overloaded"
    log.gate.set()
    await asyncio.gather(*takings)
    assert collector.stats().pending_bytes == 0
    assert await collector.take(event(4)) == IntakeAnswer(1, 0)


async def test_rejected_events_count_as_bytes_that_wait(limited) -> None:
    collector = limited(max_pending_bytes=200)
    assert (await refusal_of(collector.take(b"x" * 300, NDJSON))).code == "overloaded"


@pytest.mark.parametrize("source", ["", "A", "-a", "a b", "ü", "a" * 65, "a/b", "a\n"])
async def test_a_source_has_a_plain_name(collector: Collector, log, source: str) -> None:
    assert (await refusal_of(collector.take(event(), source=source))).code == "bad_source"
    assert log.appends == 0


async def test_there_are_only_so_many_sources(limited) -> None:
    collector = limited(max_sources=3)
    await collector.take(event(), source="a")
    await collector.take(event(), source="b" * 64)
    refused = await refusal_of(collector.take(event(), source="c"))
    assert (refused.code, refused.status) == ("too_many_sources", 429)
    assert (await collector.take(event(2), source="a")).accepted == 1


async def test_requests_without_events_use_up_no_source(limited) -> None:
    collector = limited(max_sources=2)
    await collector.take(b"[]", source="a")
    await refusal_of(collector.take(b"garbage", source="b"))
    assert (await collector.take(event(), source="c")).accepted == 1


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_a_large_body_is_decoded_beside_the_event_loop(limited, log, encoding: str) -> None:
    collector = limited(max_inline_bytes=500)
    plain = b"\n".join(event(n) for n in range(100))
    body = gzip.compress(plain) if encoding else plain
    taking = asyncio.create_task(collector.take(body, NDJSON, encoding))
    await asyncio.sleep(0)
    names = {thread.name for thread in threading.enumerate()}
    assert any(name.startswith("decoder") for name in names)
    assert (await taking).accepted == 100
    assert len(log.records) == 100


@pytest.mark.parametrize("separator", [b"\n", b","])
async def test_many_bad_events_in_a_small_body_are_judged_beside_the_event_loop(
    limited, separator: bytes
) -> None:
    collector = limited()
    bad = separator.join([b"{}"] * 10_000)
    body = bad if separator == b"\n" else b"[" + bad + b"]"
    taking = asyncio.create_task(collector.take(gzip.compress(body), "", "gzip"))
    await asyncio.sleep(0)
    names = {thread.name for thread in threading.enumerate()}
    assert any(name.startswith("decoder") for name in names)
    assert (await taking).rejected_count == 10_000


async def test_a_few_bad_events_are_judged_at_once(collector: Collector) -> None:
    await collector.take(b"[" + event() + b",{}]")
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("decoder") for name in names)


async def test_a_small_body_that_unpacks_to_too_much_is_refused(limited) -> None:
    collector = limited(max_inline_bytes=1000, max_decompressed_bytes=2000)
    bomb = gzip.compress(b"\n" * 100_000)
    assert (await refusal_of(collector.take(bomb, "", "gzip"))).code == "body_too_large"


async def test_a_request_that_is_given_up_keeps_nothing_held(collector: Collector, log) -> None:
    log.gate.clear()
    taking = asyncio.create_task(collector.take(event()))
    await until(log.reached.is_set)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    log.gate.set()
    await until(lambda: collector.stats().groups == 1)
    stats = collector.stats()
    assert (stats.pending_requests, stats.pending_bytes, stats.events) == (0, 0, 1)


async def test_draining_answers_what_was_taken_and_takes_no_more(collector, log) -> None:
    log.gate.clear()
    taking = asyncio.create_task(collector.take(event()))
    await until(log.reached.is_set)
    draining = asyncio.create_task(collector.drain())
    await asyncio.sleep(0)
    refused = await refusal_of(collector.take(event(2)))
    assert (refused.code, refused.retry_after_s, collector.ready) == ("shutting_down", 1, False)
    assert not draining.done()
    log.gate.set()
    await draining
    assert await taking == IntakeAnswer(1, 0)


async def test_what_was_taken_before_closing_is_appended(log, clock: ManualClock) -> None:
    collector = Collector(log, clock)
    taking = asyncio.create_task(collector.take(event()))
    await asyncio.sleep(0)
    assert collector.stats().pending_requests == 1
    collector.close()
    assert log.records == [event()]
    assert await taking == IntakeAnswer(1, 0)


async def test_the_stats_are_what_was_done(collector: Collector) -> None:
    await collector.take(event(1) + b"\nbad", NDJSON)
    await collector.take(event(1))
    collector.count_refused("empty_body")
    stats = collector.stats()
    assert (stats.requests, stats.events, stats.rejected, stats.duplicates) == (2, 3, 1, 1)
    assert stats.bytes == 2 * (len(event()) + 1) + len(b"bad")
    assert (stats.groups, stats.recent_ids) == (2, 1)
    assert stats.refused == {"empty_body": 1}


@pytest.mark.parametrize(
    ("ahead_ms", "intake"), [(301_000, "live"), (-601_000, "live"), (301_000, "import")]
)
async def test_an_event_whose_first_copy_can_t_be_admitted_is_no_duplicate(
    collector, clock, ahead_ms, intake
) -> None:
    event_time = clock.now_ms() + ahead_ms
    body = b'{"eventId":"e","userId":"u","timestamp":%d,"eventType":"A"}' % event_time
    assert await collector.take(body, intake=intake) == IntakeAnswer(1, 0)
    clock.advance(max(0, ahead_ms))
    assert await collector.take(body, intake="import") == IntakeAnswer(1, 0)
    assert await collector.take(body, intake="import") == IntakeAnswer(0, 1)


async def test_trouble_with_the_log_is_told_until_it_takes_events_again(collector, log) -> None:
    assert collector.trouble is None
    log.error = LogFull("no room")
    await refusal_of(collector.take(event()))
    assert collector.trouble == "no room"
    log.error = None
    await collector.take(event())
    assert collector.trouble is None


async def test_trouble_that_nobody_has_met_for_two_seconds_may_be_over(
    collector, log, clock
) -> None:
    """Otherwise a server that gets no requests while it is not ready would never be again."""
    log.error = LogUnavailable("locked")
    await refusal_of(collector.take(event()))
    clock.advance(2_000)
    assert collector.trouble == "locked"
    clock.advance(1)
    assert collector.trouble is None


async def test_ten_thousand_bad_events_are_a_hundred_dead_letters_and_a_summary(
    collector: Collector, log
) -> None:
    body = gzip.compress(b"{}\n" * 10_000)
    answer = await collector.take(body, NDJSON, "gzip")
    assert (answer.accepted, answer.rejected_count, len(answer.rejected)) == (0, 10_000, 100)
    summary, others = log.deliveries
    assert summary.rejects == ((0, b"{}"),)
    assert summary.replay_of == "summary:9900"
    assert others.record_count == 100
    assert collector.stats().rejected == 10_000


async def test_new_sources_are_learned_a_few_an_hour(limited, clock) -> None:
    """Or else a hundred requests would use up the log's sources for good."""
    collector = limited(new_sources_per_hour=2)
    await collector.take(event(1), source="one")
    clock.advance(60_000)
    await collector.take(event(2), source="two")
    refused = await refusal_of(collector.take(event(3), source="three"))
    assert (refused.code, refused.status, refused.retry_after_s) == ("too_many_sources", 429, 3540)
    await collector.take(event(4), source="one")
    clock.advance(3_540_000)
    await collector.take(event(5), source="three")
    assert (await refusal_of(collector.take(event(6), source="four"))).retry_after_s == 60


async def test_a_refused_request_teaches_no_source(limited) -> None:
    collector = limited(new_sources_per_hour=1)
    await refusal_of(collector.take(b"no events", source="one"))
    await collector.take(event(), source="two")


async def test_declared_sources_are_always_taken(limited) -> None:
    collector = limited(new_sources_per_hour=0, sources="shop-eu, shop-us")
    await collector.take(event(1), source="shop-us")
    assert (await refusal_of(collector.take(event(2), source="x1"))).retry_after_s == 3600


def test_a_declared_source_has_a_name(log, clock) -> None:
    with pytest.raises(UsageError, match="'Shop EU'"):
        Collector(log, clock, CollectorLimits(sources="shop,Shop EU"))


@pytest.mark.parametrize("beside", [b"", b"\nbad"])
async def test_times_in_seconds_are_doubted_in_the_answer(collector, beside: bytes) -> None:
    good = event(1) + beside
    in_seconds = good.replace(b"000,", b",")
    answer = await collector.take(in_seconds, NDJSON)
    assert answer.accepted == 1
    assert "1767225600 looks like seconds" in answer.hint
    assert b"hint" not in msgspec.json.encode(await collector.take(good, NDJSON))
