import time

from rtcdp.clock import ManualClock, SystemClock


def test_the_machines_clock_tells_utc_milliseconds() -> None:
    before = time.time() * 1000

    assert before - 1 <= SystemClock().now_ms() <= time.time() * 1000 + 1


def test_the_machines_monotonic_seconds_never_fall() -> None:
    clock = SystemClock()
    told = [clock.monotonic() for _ in range(1000)]

    assert told == sorted(told)


def test_a_manual_clock_moves_only_when_it_is_told_to() -> None:
    clock = ManualClock(now_ms=1_000)

    assert (clock.now_ms(), clock.monotonic()) == (1_000, 1.0)

    clock.advance(500)
    assert (clock.now_ms(), clock.monotonic()) == (1_500, 1.5)

    clock.set(9_000)
    assert (clock.now_ms(), clock.monotonic()) == (9_000, 9.0)
