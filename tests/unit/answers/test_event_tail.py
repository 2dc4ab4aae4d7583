import json
import time

import pytest

from rtcdp.answers.drill_down import WAITING, Wish
from rtcdp.answers.event_tail import EventTail, Wanted
from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.runtime.parts import log_reader, log_writer, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


@pytest.fixture
def clock():
    return ManualClock(1_767_225_600_000)


@pytest.fixture
def tail(settings, clock):
    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        yield EventTail(log, store, Wanted(Wish()), clock)


def append(settings, *users, source="default"):
    lines = [
        json.dumps({"userId": user, "timestamp": 1_767_225_600_000, "eventType": "A"}).encode()
        for user in users
    ]
    with log_writer(settings, SystemClock()) as writer:
        body = b"".join(line + b"\n" for line in lines)
        writer.append([Delivery(body, len(lines), 1_767_225_600_000, source=source)])


def process(settings):
    with processor_of(settings, SystemClock()) as processor:
        processor.recover()
        processor.step()


def users(found):
    return [met.event.user_id for met in found]


def test_the_newest_come_last_and_those_after_them_follow(settings, tail):
    append(settings, *(f"u{number}" for number in range(5_000)))
    process(settings)
    assert users(tail.newest(3)) == ["u4997", "u4998", "u4999"]
    append(settings, "later")
    process(settings)
    (met,) = tail.following(1)
    assert (met.event.user_id, met.verdict) == ("later", "admitted")
    assert tail.following(0) == []


def test_what_nobody_counts_is_shown_as_waiting_after_a_while(settings, tail, clock):
    append(settings, "ada")
    (met,) = tail.newest(5)
    assert met.verdict == WAITING
    append(settings, "bob")
    assert tail.following(0) == []
    clock.advance(3_000)
    assert [(met.event.user_id, met.verdict) for met in tail.following(0)] == [("bob", WAITING)]


def test_nothing_is_shown_twice_when_it_is_counted_later(settings, tail):
    append(settings, "ada")
    assert users(tail.newest(5)) == ["ada"]
    process(settings)
    assert tail.following(0) == []


def test_what_is_held_back_is_waited_for_and_not_looked_at_again_and_again(settings, tail):
    assert tail.newest(0) == []
    append(settings, "ada")
    assert tail.following(0.3) == []
    began = time.monotonic()
    assert tail.following(0.3) == []
    assert time.monotonic() - began >= 0.3
