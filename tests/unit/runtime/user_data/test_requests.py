import os

import pytest

from rtcdp.answers.user_data import TooManyErasures
from rtcdp.clock import ManualClock
from rtcdp.errors import NotThere, UsageError
from rtcdp.runtime.user_data import requests as erasure_requests
from rtcdp.runtime.user_data.requests import ErasureRequests


@pytest.fixture
def clock():
    return ManualClock(1_767_225_600_000)


@pytest.fixture
def requests(tmp_path, clock):
    return ErasureRequests(tmp_path, clock)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "erasures" / "requests").iterdir())


def test_a_request_waits_once_and_is_taken_in_its_turn(requests, clock, tmp_path):
    assert requests.waiting() == []
    first, _ = requests.ask("ada/ü", "key 1")
    clock.advance(1)
    second, is_new = requests.ask("bob", "key 2")
    assert is_new
    assert requests.ask("ada/ü", "key 3") == (first, False)
    assert requests.waiting() == [first.id, second.id]
    assert requests.user_of(first.id) == "ada/ü"
    assert (first.state, first.asked_at) == ("waiting", "2026-01-01T00:00:00.000Z")
    for path in (tmp_path / "erasures" / "requests").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert requests.begin(first.id) == first
    assert requests.state(first.id).state == "erasing"
    assert not requests.withdraw(first.id)
    assert requests.withdraw(second.id)
    assert requests.begin(second.id) is None
    assert requests.state(second.id).state == "failed"


def test_one_that_is_begun_may_be_past_what_came_since_so_another_is_made(requests, clock):
    first, _ = requests.ask("ada", "key 1")
    requests.begin(first.id)
    clock.advance(1)
    second, is_new = requests.ask("ada", "key 1")
    assert (is_new, requests.waiting()) == (True, [first.id, second.id])
    assert requests.ask("ada", "key 2") == (second, False)
    assert list(requests.files_of("ada")) == [requests.file_of(s.id) for s in (first, second)]
    assert list(requests.files_of("bob")) == []


def test_who_takes_requests_is_seen_for_a_minute(requests, clock):
    assert not requests.has_taker()
    requests.show_taker()
    clock.advance(60_000)
    assert requests.has_taker()
    clock.advance(1)
    assert not requests.has_taker()
    requests.show_taker()
    assert requests.has_taker()
    assert requests.waiting() == []


def test_what_is_done_leaves_nothing_of_the_id(requests, tmp_path, monkeypatch):
    state, _ = requests.ask("ada", "key 1")
    wiped = []
    path = requests.file_of(state.id)
    unlink = type(path).unlink
    monkeypatch.setattr(
        type(path), "unlink", lambda self: (wiped.append(self.read_bytes()), unlink(self))
    )
    requests.end(state)
    assert wiped == [b"\0\0\0"]
    assert requests.user_of(state.id) is None
    assert names(tmp_path) == [f"{state.id}.json"]


def test_a_request_that_was_never_whole_is_swept_away_after_a_while(requests, clock):
    state, _ = requests.ask("ada", "key 1")
    left = requests.file_of(state.id).with_name(".2-00.user.new")
    for age_s, is_there in ((0, True), (61, False)):
        left.write_bytes(b"bob")
        at = clock.now_ms() / 1000 - age_s
        os.utime(left, (at, at))
        requests.sweep()
        assert left.exists() == is_there


def test_there_are_bounds(requests, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(erasure_requests, "WAITING_MAX", 3)
    monkeypatch.setattr(erasure_requests, "STATES_KEPT", 2)
    states = []
    for number in range(3):
        clock.advance(1)
        states.append(requests.ask(f"u{number}", "key 1")[0])
    with pytest.raises(TooManyErasures):
        requests.ask("one more", "key 1")
    requests.ask("u0", "key 1")
    for state in states[1:]:
        requests.end(state)
    assert names(tmp_path) == [f"{states[0].id}{e}" for e in (".json", ".user")] + [
        f"{state.id}.json" for state in states[1:]
    ]


@pytest.mark.parametrize("name", ["", "../receipts", "1-00", "7-0123456789abcdef"])
def test_what_there_is_not_is_not_there(requests, name):
    requests.ask("ada", "key 1")
    with pytest.raises(NotThere):
        requests.state(name)
    with pytest.raises(UsageError):
        requests.ask("", "key 1")
