import json
import signal
import time

import pytest

from rtcdp.answers.event_tail import EventTail
from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.runtime.parts import log_writer
from rtcdp.runtime.settings import Settings

EVENT = b'{"userId":"zoe","timestamp":1,"eventType":"A"}\n'


@pytest.fixture
def replayed(rtcdp, events):
    rtcdp("replay", events)


@pytest.mark.usefixtures("replayed")
def test_the_newest_events_are_shown_with_what_became_of_them(rtcdp):
    ada, bob, nonsense = rtcdp("events").out.splitlines()
    assert ada.split() == ["2026-01-01", "00:00:10", "admitted", "PAGE_VIEW", "ada"]
    assert "bob" in bob
    assert nonsense.split()[2:] == ["dead", "letter", "not_json:", "nonsense"]
    assert rtcdp("events", "--limit", 1).out.splitlines() == [nonsense]


@pytest.mark.usefixtures("replayed")
@pytest.mark.parametrize(
    ("flags", "users"),
    [
        (["--user", "bob"], ["bob"]),
        (["--type", "PAGE_VIEW"], ["ada", "bob"]),
        (["--type", "PURCHASE"], []),
        (["--verdict", "admitted"], ["ada", "bob"]),
        (["--verdict", "dead_letter"], [None]),
        (["--source", "other"], []),
    ],
)
def test_only_some_are_shown(rtcdp, flags, users):
    lines = rtcdp("events", "--json", *flags).out.splitlines()
    assert [json.loads(line)["userId"] for line in lines] == users


@pytest.mark.usefixtures("replayed")
def test_rows_for_programs(rtcdp):
    header, first, *_ = rtcdp("events", "--csv").out.splitlines()
    assert header.startswith("received_at,partition,offset,source,verdict")
    assert ",admitted,,2026-01-01T00:00:10.000Z,PAGE_VIEW,ada," in first


def test_what_comes_from_outside_is_text(rtcdp, tmp_path):
    event = {"userId": "\x1b[2J\nada", "timestamp": 1, "eventType": "A", "pageUrl": "[bold]\x9b"}
    (tmp_path / "a").write_text(json.dumps(event) + "\n")
    rtcdp("replay", "a")
    said = rtcdp("events").out
    assert "\\x1b[2J\\nada" in said
    assert "[bold]\\x9b" in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("replayed")
def test_those_that_come_are_followed(rtcdp, tmp_path, monkeypatch):
    following, rounds = EventTail.following, []
    deadline = time.monotonic() + 60

    def follow(tail, timeout_s):
        rounds.append(timeout_s)
        if len(rounds) == 1:
            settings = Settings(data_dir=tmp_path / "rtcdp-data")
            with log_writer(settings, SystemClock()) as writer:
                writer.append([Delivery(EVENT, 1, 1, source="later")])
        found = following(tail, timeout_s)
        if found or time.monotonic() > deadline:
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(EventTail, "following", follow)
    done = rtcdp("events", "--follow", "--limit", 0)
    assert (done.code, done.out.split()[2:]) == (130, ["waiting", "A", "zoe"])
