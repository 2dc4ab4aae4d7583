import queue
from collections.abc import Iterator

import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.intake.group_commit import CommittedGroup, GroupCommit
from rtcdp.log.contract import Delivery, LogFailed, LogUnavailable

PATIENCE_S = 60

Done = queue.Queue[CommittedGroup[str]]


def delivery(text: str = "x", source: str = "default") -> Delivery:
    return Delivery(text.encode() + b"\n", 1, 10, source=source)


@pytest.fixture
def done() -> Done:
    return queue.Queue()


@pytest.fixture
def commits(log, clock: ManualClock, done: Done) -> Iterator[GroupCommit[str]]:
    commits = GroupCommit[str](log, clock, 10, done.put)
    commits.start()
    yield commits
    log.gate.set()
    commits.close()


def test_a_delivery_is_reported_after_the_append_returned(log, commits, done) -> None:
    log.gate.clear()
    commits.put([(delivery(), "one")])
    assert log.reached.wait(PATIENCE_S)
    assert done.empty()
    log.gate.set()
    assert done.get(timeout=PATIENCE_S).tickets == ("one",)
    assert len(log.groups) == 1


def test_what_gathers_during_an_append_is_the_next_group(log, commits, done) -> None:
    log.gate.clear()
    commits.put([(delivery(), "first")])
    assert log.reached.wait(PATIENCE_S)
    for ticket in ("a", "b", "c"):
        commits.put([(delivery(ticket), ticket)])
    log.gate.set()
    assert [done.get(timeout=PATIENCE_S).tickets for _ in range(2)] == [("first",), ("a", "b", "c")]
    assert log.records == [b"x", b"a", b"b", b"c"]


def test_a_group_ends_at_its_size(log, commits, done) -> None:
    log.gate.clear()
    commits.put([(delivery(), "first")])
    assert log.reached.wait(PATIENCE_S)
    for ticket in ("a", "b", "c"):
        commits.put([(delivery("12345"), ticket)])
    log.gate.set()
    assert [done.get(timeout=PATIENCE_S).tickets for _ in range(3)] == [
        ("first",),
        ("a", "b"),
        ("c",),
    ]


def test_an_unavailable_log_fails_its_group_and_is_tried_again_for_the_next(
    log, commits, done
) -> None:
    log.error = LogUnavailable("full")
    commits.put([(delivery(), "one")])
    assert done.get(timeout=PATIENCE_S).error is log.error
    log.error = None
    commits.put([(delivery(), "two")])
    assert done.get(timeout=PATIENCE_S).error is None


def test_a_failed_log_is_never_written_to_again(log, commits, done) -> None:
    log.error = LogFailed("fsync")
    commits.put([(delivery(), "one")])
    failure = done.get(timeout=PATIENCE_S).error
    log.error = None
    commits.put([(delivery(), "two")])
    assert failure is done.get(timeout=PATIENCE_S).error
    assert log.appends == 1


def test_an_error_that_no_writer_may_raise_is_a_failure(log, commits, done) -> None:
    log.error = ZeroDivisionError("a bug")
    commits.put([(delivery(), "one")])
    error = done.get(timeout=PATIENCE_S).error
    assert isinstance(error, LogFailed)
    assert error.__cause__ is log.error


def test_a_refused_source_does_not_take_its_neighbours_along(log, commits, done) -> None:
    class TooMany(UsageError):
        pass

    append = log.append

    def append_but_new(deliveries):
        if any(each.source == "new" for each in deliveries):
            raise TooMany("no")
        return append(deliveries)

    log.append = append_but_new
    commits.put(
        [(delivery("1"), "a"), (delivery("2", "new"), "b"), (delivery("3"), "c")],
    )
    groups = [done.get(timeout=PATIENCE_S) for _ in range(2)]
    assert [(group.tickets, group.error is None) for group in groups] == [
        (("a", "c"), True),
        (("b",), False),
    ]
    assert log.records == [b"1", b"3"]


def test_closing_appends_what_waits(log, clock: ManualClock, done) -> None:
    commits = GroupCommit[str](log, clock, 10, done.put)
    commits.put([(delivery(), "one")])
    commits.start()
    commits.close()
    assert log.records == [b"x"]


def test_closing_what_never_started_is_fine(log, clock: ManualClock, done) -> None:
    GroupCommit[str](log, clock, 10, done.put).close()
