import threading
import time

from rtcdp.clock import KeptTime, ManualClock, SystemClock, TrustedTime, repeating


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


def test_a_step_moves_the_wall_clock_alone() -> None:
    clock = ManualClock(1_000_000)
    clock.step(500_000)
    assert (clock.now_ms(), clock.monotonic()) == (1_500_000, 1_000)
    clock.advance(1_000)
    assert (clock.now_ms(), clock.monotonic()) == (1_501_000, 1_001)
    clock.set(1_600_000)
    assert (clock.now_ms(), clock.monotonic()) == (1_600_000, 1_100)


def test_trusted_time_is_never_ahead_and_gains_slowly() -> None:
    clock = ManualClock(10**12)
    time = TrustedTime(clock, KeptTime(trusted_ms=10**12 - 10_000_000))
    assert time.trusted_ms == 10**12 - 10_000_000
    clock.advance(1_000_000)
    assert time.look() is None
    assert time.trusted_ms == 10**12 - 6_000_000
    clock.advance(10_000_000)
    time.look()
    assert time.trusted_ms == clock.now_ms()


def test_trusted_time_follows_a_clock_that_is_set_back() -> None:
    clock = ManualClock(10**12)
    time = TrustedTime(clock, KeptTime(10**12))
    clock.step(-500_000)
    assert time.look() is not None
    assert time.trusted_ms == 10**12 - 500_000
    assert time.is_suspended
    assert time.kept == KeptTime(10**12 - 500_000, -500_000, 10**12 - 500_000, is_suspended=True)


def test_trusted_time_begins_with_what_is_counted_first() -> None:
    clock = ManualClock(10**12)
    time = TrustedTime(clock, KeptTime())
    clock.advance(1_000_000)
    time.look()
    assert time.kept == KeptTime()
    time.begin(0)
    assert not time.has_begun
    time.begin(10**11)
    assert time.trusted_ms == time.kept.trusted_ms == 10**11
    time.begin(10**12)
    assert time.trusted_ms == 10**11


def test_trusted_time_begins_no_later_than_it_was_earned() -> None:
    clock = ManualClock(10**12)
    time = TrustedTime(clock, KeptTime())
    clock.step(5_000_000)
    time.look()
    time.begin(clock.now_ms())
    assert time.trusted_ms == 10**12


def test_a_clock_that_is_behind_what_was_trusted_before_is_not_trusted() -> None:
    assert not TrustedTime(ManualClock(10**12), KeptTime(10**12 + 60_000)).is_suspended
    assert TrustedTime(ManualClock(10**12), KeptTime(10**12 + 60_001)).is_suspended


def test_a_suspended_clock_stays_so_over_a_restart() -> None:
    clock = ManualClock(10**12)
    time = TrustedTime(clock, KeptTime(10**12, 5, 6, is_suspended=True))
    assert time.is_suspended
    clock.advance(600_000)
    assert time.look() == "the host's clock goes right again: what is old may be deleted"
    assert time.kept == KeptTime(10**12 + 600_000, 5, 6, is_suspended=False)


def test_what_repeats_does_so_until_the_end_of_its_block() -> None:
    calls: list[str] = []
    enough = threading.Event()

    def act() -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 3:
            enough.set()

    with repeating("looks", 0.001, act):
        assert enough.wait(30)
    after = len(calls)
    time.sleep(0.02)

    assert set(calls) == {"looks"}
    assert len(calls) == after
    assert "looks" not in {thread.name for thread in threading.enumerate()}
