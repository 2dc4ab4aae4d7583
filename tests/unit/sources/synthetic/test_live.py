import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.sources.sinks import Receipt
from rtcdp.sources.synthetic.live import MAX_BATCH_LINES, MAX_BEHIND_S, TICK_S, Generator, Schedule
from rtcdp.sources.synthetic.stream import EventStream


@pytest.fixture
def clock():
    """Early in 1970, where seconds in floating point are exact enough to compare."""
    return ManualClock(1_000_000)


def generator(sink, clock, **schedule):
    stream = EventStream(seed=1, run_ms=clock.now_ms())
    return Generator(stream, sink, Schedule(**schedule), clock)


def test_a_slow_rate_sends_each_event_when_it_is_due(sink, clock, pause):
    start_ms = clock.now_ms()
    sent_at = []
    generator(sink, clock, rate_per_s=5, lines=10).run(
        pause, lambda _: sent_at.append(clock.now_ms() - start_ms)
    )
    assert sent_at == [200 * event for event in range(10)]
    assert [len(batch) for batch in sink.batches] == [1] * 10


def test_a_fast_rate_sends_small_steady_batches(sink, clock, pause):
    generator(sink, clock, rate_per_s=4_000, duration_s=2).run(pause)
    sizes = [len(batch) for batch in sink.batches]
    assert sum(sizes) == 8_000
    assert set(sizes[1:-1]) == {4_000 * TICK_S}


def test_events_have_the_time_at_which_they_are_due(sink, clock, pause):
    start_ms = clock.now_ms()
    generator(sink, clock, rate_per_s=1_000, lines=500).run(pause)
    assert [decode(line).timestamp_ms - start_ms for line in sink.lines] == list(range(500))


def test_a_run_ends_at_whichever_end_comes_first(sink, clock, pause):
    report = generator(sink, clock, rate_per_s=100, lines=1_000, duration_s=1).run(pause)
    assert report.total == report.receipt.accepted == len(sink.lines) == 100


def test_an_endless_run_ends_when_told(sink, clock, stop_after):
    report = generator(sink, clock, rate_per_s=1_000).run(stop_after(10))
    assert report.total is None
    assert report.counts.lines == len(sink.lines) > 0


def test_a_sink_that_stalls_gets_fewer_events_and_none_older_than_the_limit(clock, pause):
    class Stalling:
        def write(self, lines):
            oldest_ms = min(decode(line).timestamp_ms for line in lines)
            assert clock.now_ms() - oldest_ms <= MAX_BEHIND_S * 1_000
            clock.advance(20_000)
            return Receipt(accepted=len(lines))

        def close(self): ...

    generator(Stalling(), clock, rate_per_s=100, lines=2_000).run(pause)


def test_a_run_that_can_not_keep_up_stops_when_told(clock, stop_after):
    class Stalling:
        def write(self, lines):
            clock.advance(20_000)
            return Receipt(accepted=len(lines))

        def close(self): ...

    report = generator(Stalling(), clock, rate_per_s=50_000, lines=500_000).run(stop_after(3))
    assert report.counts.lines == 1 + 2 * MAX_BATCH_LINES


def test_a_backlog_goes_in_bounded_batches(sink, clock, pause):
    class SlowAtFirst(type(sink)):
        def write(self, lines):
            if not self.batches:
                clock.advance(2_000)
            return super().write(lines)

    slow = SlowAtFirst()
    generator(slow, clock, rate_per_s=20_000, lines=40_000).run(pause)
    assert max(map(len, slow.batches)) == MAX_BATCH_LINES


def test_not_paced_it_never_waits_and_ends_now(sink, clock, pause):
    start_ms = clock.now_ms()
    generator(sink, clock, rate_per_s=10, lines=12_000, paced=False).run(pause)
    times = [decode(line).timestamp_ms for line in sink.lines]
    assert sum(pause.waits) == 0
    assert times == list(range(start_ms - 1_200_000, start_ms, 100))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_s": 0},
        {"rate_per_s": float("nan")},
        {"rate_per_s": 5, "lines": -1},
        {"rate_per_s": 5, "duration_s": -1},
        {"rate_per_s": 5, "paced": False},
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        Schedule(**wrong)
