"""How a pipeline ran in the last minutes."""

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.api import pulse
from rtcdp.api.pulse import Beat, Pulse, PulseFigures, beating, figures_of
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import Driver

NOTHING = PulseFigures(None, 0.0, None, None, None, None)
BEAT = Beat(at_s=0.0, lag_ms=0, taken_in=0, waiting=0, counted=0, epoch=0)


def test_nothing_is_known_before_the_first_beat() -> None:
    assert figures_of([], 0.0) == Pulse().figures(0.0) == NOTHING


def test_95_of_100_looks_found_no_more_lag_than_that() -> None:
    beats = [replace(BEAT, at_s=float(at), lag_ms=at) for at in range(1, 101)]
    found = figures_of([*beats, replace(BEAT, at_s=101.0, lag_ms=None)], 101.0)
    assert (found.lag_p95_ms, found.lag_over_s) == (95, 100.0)
    assert figures_of([replace(BEAT, lag_ms=7)], 0.0).lag_p95_ms == 7


def test_rates_are_those_of_the_last_minute() -> None:
    quiet = BEAT
    busy = replace(BEAT, at_s=100.0, taken_in=50, counted=30, epoch=4)
    now = replace(busy, at_s=110.0, taken_in=150, counted=80, epoch=24, waiting=20)
    found = figures_of([quiet, busy, now], 110.0)
    assert (found.taken_in_per_s, found.counted_per_s, found.commits_per_s) == (10.0, 5.0, 2.0)
    assert found.waiting == 20


def test_what_is_too_old_is_not_told() -> None:
    """A store that was away: its last look is no look of now."""
    beats = [replace(BEAT, lag_ms=9_000), replace(BEAT, at_s=10.0, lag_ms=5, waiting=3)]
    assert figures_of(beats, 71.0) == PulseFigures(9_000, 71.0, None, None, None, None)
    assert figures_of(beats, 905.0) == PulseFigures(5, 895.0, None, None, None, None)
    assert figures_of(beats, 911.0) == NOTHING


def test_a_beat_tells_of_the_log_and_of_what_is_counted(
    driver: Driver, make_installation: Callable[..., Installation]
) -> None:
    event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms}
    found = Pulse()
    found.beat(make_installation())
    driver.feed(event, event, event)
    driver.process()
    driver.feed(event)
    driver.advance(seconds=2)
    found.beat(make_installation())
    now_s = make_installation().clock.monotonic()
    assert found.figures(now_s) == PulseFigures(2000, 2.0, 2.0, 1.5, 0.5, 1)
    found.beat(make_installation(log=None))
    told = found.figures(now_s)
    assert told.taken_in_per_s is told.waiting is None


def test_it_beats_as_long_as_it_is_wanted_and_what_is_away_does_not_end_it(
    make_installation: Callable[..., Installation],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pulse, "EVERY_S", 0.01)
    looks, beats, enough = count(), list[int](), threading.Event()

    class Fickle(Pulse):
        def beat(self, installation: Installation) -> None:
            del installation
            match next(looks):
                case 0:
                    raise StoreUnavailable("away")
                case 1 | 2:
                    raise RuntimeError("broken")
            beats.append(1)
            enough.set()

    with beating(Fickle(), make_installation()):
        assert enough.wait(10)
    assert [each.message for each in caplog.records] == ["looking at the pipeline failed"]
    so_many = len(beats)
    assert not threading.Event().wait(0.1)
    assert len(beats) == so_many
