import json
import time

import pytest


@pytest.fixture
def ahead(tmp_path):
    """A file with an event of the year 2100."""
    path = tmp_path / "ahead.ndjson"
    event = {"userId": "ada", "timestamp": "2100-01-01T00:00:00Z", "eventType": "PAGE_VIEW"}
    path.write_text(json.dumps(event) + "\n")
    return path


def test_what_was_received_is_shown_with_the_reason(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("dead-letters", "list").out.splitlines()
    assert lines[0].split()[2:] == ["default", "0:2", "not_json"]
    assert lines[1].strip().startswith("send one JSON object")
    assert lines[2:] == ["  nonsense"]
    (letter,) = json.loads(rtcdp("dead-letters", "list", "--json").out)["items"]
    assert (letter["reason"], letter["raw"], letter["replayed_at"]) == (
        "not_json",
        "nonsense",
        None,
    )
    assert rtcdp("dead-letters", "list", "--csv").out.splitlines()[1].endswith(",nonsense")


def test_a_dead_letter_steers_no_terminal(rtcdp, events):
    with events.open("a") as file:
        file.write("\x1b[2J\x9b1A[bold]\r\x07\n")
    rtcdp("replay", events)
    said = rtcdp("dead-letters", "list").out
    assert "  \\x1b[2J\\x9b1A[bold]\\r\\x07\n" in said
    assert not {"\x1b", "\x9b", "\r", "\x07"} & set(
        said + rtcdp("dead-letters", "list", "--json").out
    )


def test_no_dead_letters_are_none(rtcdp):
    rtcdp("process", "--once")
    assert rtcdp("dead-letters", "list").out == "no dead letters\n"


@pytest.mark.parametrize("command", ["dead-letters", "sources"])
def test_what_is_not_told_to_do_else_lists(rtcdp, events, command):
    rtcdp("replay", events)
    for options in ([], ["--json"], ["--data-dir", "rtcdp-data"]):
        assert rtcdp(command, *options) == rtcdp(command, "list", *options)
        assert rtcdp(command, *options).code == 0
    assert "Commands" in rtcdp(command, "--help").out
    assert rtcdp(command, "fly").code == 2


def test_what_still_is_one_is_not_replayed(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("dead-letters", "replay", "--all")
    assert "1 still can't be admitted" in done.out
    assert done.out.endswith("nothing to replay\n")


def test_each_is_replayed_once(rtcdp, ahead, tmp_path):
    rtcdp("replay", ahead)
    skew_ms = 4_102_444_800_000 - int(time.time() * 1000)
    (tmp_path / "rtcdp.toml").write_text(f"admission.max_clock_skew_ms = {skew_ms}")
    assert "replayed 1 dead letters" in rtcdp("dead-letters", "replay", "--reason", "future").out
    assert rtcdp("dead-letters", "replay", "--all").out == "nothing to replay\n"
    rtcdp("process", "--once")
    assert "received 2 = admitted 1 + duplicate 0 + late 0 + dead letter 1" in rtcdp("ledger").out


@pytest.mark.parametrize("command", ["list", "replay"])
def test_a_reason_that_there_is_not_is_refused(rtcdp, events, command):
    rtcdp("replay", events)
    failed = rtcdp("dead-letters", command, "--reason", "nope")
    assert (failed.code, "--reason is 'nope'" in failed.err) == (2, True)
    assert "not_json" in failed.err
