import json
import logging

import polars as pl
import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.telemetry import Entry, TelemetryRules, Troubles, entry_in, entry_now, tell_entries

log = logging.getLogger("rtcdp.test")


@pytest.fixture
def clock():
    return ManualClock(1_767_225_600_250)


@pytest.fixture
def told(clock):
    """The entries that are told from here on."""
    root, ours = logging.getLogger(), logging.getLogger("rtcdp")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    entries: list[Entry] = []
    tell_entries(entries.append, "processor", clock)
    yield entries
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def messages(entries):
    return [(entry.level, entry.message) for entry in entries]


def test_an_entry_has_a_time_a_level_and_the_part():
    entry = entry_now(ManualClock(1_767_225_600_250), "WARNING", "http", "the disk is full")
    assert entry.as_text() == "2026-01-01T00:00:00.250Z WARNING http: the disk is full"
    assert json.loads(entry.as_json()) == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "WARNING",
        "part": "http",
        "message": "the disk is full",
    }


def test_an_entry_is_one_line_whatever_it_says():
    entry = entry_now(ManualClock(0), "ERROR", "http", "no\n2026 INFO up: all is well\x1b[2J\x9b")
    assert "\n" not in entry.as_text()
    assert "\x1b" not in entry.as_text()
    assert not {"\n", "\x1b", "\x9b"} & set(entry.as_json())
    assert entry_in(entry.as_json()) == entry


def test_a_traceback_is_indented_below_its_entry(told):
    try:
        raise OSError("a\x1b[2J\nforged")
    except OSError:
        log.exception("it failed")
    first, *rest = told[0].as_text().split("\n")
    assert first.endswith("ERROR processor: it failed")
    assert len(rest) > 1
    assert all(line.startswith("  ") for line in rest)
    assert "\x1b" not in told[0].as_text()


def test_what_an_error_of_others_says_is_left_out_and_where_it_came_from_is_not(told):
    try:
        try:
            pl.Series(["canary"]).cast(pl.Int64)
        except pl.exceptions.PolarsError as error:
            raise UsageError("the file is damaged") from error
    except UsageError:
        log.exception("it failed")
    assert "canary" not in told[0].exception.replace('pl.Series(["canary"])', "")
    kinds = [
        line for line in told[0].exception.splitlines() if line.startswith(("polars", "rtcdp"))
    ]
    assert kinds == [
        "polars.exceptions.InvalidOperationError",
        "rtcdp.errors.UsageError: the file is damaged",
    ]


@pytest.mark.parametrize("line", ["", "{}", "nonsense", b"\xff", '{"message":1}', "[]"])
def test_other_lines_are_no_entries(line):
    assert entry_in(line) is None


def test_what_is_repeated_is_told_once_a_minute_with_a_count(told, clock):
    for second in range(130):
        log.warning("no answer for %d s", second)
        clock.advance(1000)
    assert messages(told) == [
        ("WARNING", "no answer for 0 s"),
        ("WARNING", "no answer for 60 s (60 times in 60 s)"),
        ("WARNING", "no answer for 120 s (60 times in 60 s)"),
    ]


def test_what_says_something_else_is_told_at_once(told):
    log.warning("no answer")
    log.error("no answer")
    log.warning("another one")
    assert len(told) == 3


def test_the_end_of_a_trouble_is_told_and_the_next_one_at_once(told, clock):
    troubles = Troubles(log, clock)
    for _ in range(24):
        troubles.tell("Kafka is away; trying again")
        clock.advance(500)
    troubles.over()
    troubles.over()
    troubles.tell("Kafka is away; trying again")
    assert messages(told) == [
        ("WARNING", "Kafka is away; trying again"),
        ("INFO", "back again, after 12.0 s; it had failed 24 times"),
        ("WARNING", "Kafka is away; trying again"),
    ]


def test_others_are_heard_from_warnings_on(told):
    logging.getLogger("httpx").info("a request")
    logging.getLogger("httpx").warning("odd")
    assert messages(told) == [("WARNING", "odd")]


def test_the_last_one_to_listen_hears(told, clock):
    other: list[Entry] = []
    tell_entries(other.append, "http", clock)
    log.info("hey")
    assert (len(told), len(other)) == (0, 1)


@pytest.mark.parametrize("address", ["http://127.0.0.1:4318", "https://ada:s3cret@[::1]/otlp/"])
def test_traces_go_to_addresses_of_http(address):
    assert TelemetryRules(traces_to=address).traces_to == address


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:4318", "localhost:4318", "grpc://h:4317", "http:///v1", "http://h:port"),
        *("ada:s3cret@host:4318", "ftp://ada:s3@cret@host", "http://[::1"),
    ],
)
def test_other_addresses_are_refused_without_their_password(address):
    with pytest.raises(UsageError, match=r"^telemetry\.traces_to is '") as refused:
        TelemetryRules(traces_to=address)
    assert "http://127.0.0.1:4318" in refused.value.hint
    assert "cret" not in str(refused.value)
