"""Differences are planted, and each has to be found."""

import threading

import polars as pl
import pytest

from rtcdp.admission.batch import admit, reject
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.clock import ManualClock
from rtcdp.definitions import Column, Count, Distinct, Metric, Table, TopK, tables_of, tumbling
from rtcdp.engines.native.epochs import epoch_after
from rtcdp.engines.native.processor import Processor
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import Delivery
from rtcdp.log.limits import Retention
from rtcdp.store import Progress
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.store_against_log import (
    Difference,
    Horizon,
    differences_of,
    horizon_after_trim,
    ledger_differences,
    verify,
)
from rtcdp.verify.stored import Kept

NOW_MS = 1_767_225_600_000
RULES = AdmissionRules()
YEARS = Kept(windows_ms=10**12, ledger_ms=10**12, now_ms=NOW_MS)
METRIC = Metric(
    name="views",
    title="Views",
    window=tumbling(minutes=1),
    key=("userId",),
    measures=(Count("views"), Distinct("pages", "pageUrl"), TopK("top", "pageUrl")),
)
BUCKETS = Table("views", "views", 60_000, ("userId",), (Column("views", "integer", "add"),))
MEMBERS = Table("m", "views", 60_000, (), bound="smallest_members", capacity=2)
ITEMS = Table(
    "i",
    "views",
    60_000,
    (),
    (Column("item_count", "integer", "add"),),
    bound="heaviest_items",
    capacity=2,
)


def test_equal_rows_are_no_difference():
    assert differences_of(BUCKETS, {(0, "ada"): (2,)}, {(0, "ada"): (2,)}) == []


@pytest.mark.parametrize(
    ("expected", "found"),
    [((2,), (3,)), ((2,), None), (None, (3,)), ((2,), (None,))],
)
def test_another_value_and_a_row_too_few_or_too_many_are_differences(expected, found):
    key = (0, "ada")
    sides = [{} if values is None else {key: values} for values in (expected, found)]
    assert differences_of(BUCKETS, *sides) == [Difference("views", key, expected, found)]


def test_of_members_the_smallest_must_be_there():
    every = {(0, 5): (), (0, -7): (), (0, 9): ()}
    assert differences_of(MEMBERS, every, {(0, -7): (), (0, 5): ()}) == []
    assert differences_of(MEMBERS, every, {(0, -7): (), (0, 9): ()}) == [
        Difference("m", (0, 5), (), None),
        Difference("m", (0, 9), None, ()),
    ]


def test_items_are_exact_up_to_twice_the_capacity():
    every = {(0, item): (3,) for item in "abcd"}
    assert differences_of(ITEMS, every, every) == []
    assert differences_of(ITEMS, every, {**every, (0, "a"): (2,)}) != []


def test_items_beyond_may_fall_short_by_the_bound_but_not_more_and_never_exceed():
    every = {(0, "a"): (10,), **{(0, item): (1,) for item in "bcde"}}  # 14 in all, so by 7 at most
    assert differences_of(ITEMS, every, {(0, "a"): (3,)}) == []
    for count in (2, 11):
        (difference,) = differences_of(ITEMS, every, {(0, "a"): (count,)})
        assert difference.found == (count,)
        assert "by 7 at most" in difference.note
    assert differences_of(ITEMS, every, {(0, "a"): (9,), (0, "z"): (1,)})[0].key == (0, "z")


def ledger_row(**counts: int) -> pl.DataFrame:
    row = {"source": "shop", "minute": 60_000, **dict.fromkeys(list(LEDGER_SCHEMA)[2:], 0)}
    return pl.DataFrame([{**row, **counts}], schema=LEDGER_SCHEMA)


def test_the_ledger_is_compared_by_source_minute_and_verdict():
    expected = {("shop", 60_000, "admitted"): 2, ("shop", 60_000, "late"): 1}
    found = ledger_row(received=3, admitted=2, late=1)
    assert ledger_differences(expected, found) == []
    assert ledger_differences(expected, ledger_row(received=3, admitted=3)) == [
        Difference("ledger", ("shop", 60_000), (3, 2, 0, 1, 0, 0), (3, 3, 0, 0, 0, 0))
    ]
    assert ledger_differences(expected, found.clear()) != []


def test_ledger_minutes_before_the_horizon_are_left_out():
    assert ledger_differences({}, ledger_row(received=1), Horizon(minutes_from=60_001)) == []


def test_a_log_that_begins_at_its_beginning_has_no_horizon(log):
    assert horizon_after_trim(log, {0: 3}, RULES) == Horizon()


def test_where_the_log_was_trimmed_only_later_windows_are_certain(log):
    log.expire({0: 1}, Retention(max_age_ms=0, min_age_ms=0), NOW_MS + 1)
    first = NOW_MS + RULES.dedup_window_ms + 1
    assert horizon_after_trim(log, {0: 3}, RULES) == Horizon(
        first + RULES.max_clock_skew_ms, -(-first // 60_000) * 60_000
    )


@pytest.fixture
def log():
    log = MemoryLog()
    for user in ("ada", "ada", "bob"):
        line = b'{"userId":"%s","timestamp":%d,"eventType":"PAGE_VIEW","pageUrl":"/"}\n'
        log.append([Delivery(line % (user.encode(), NOW_MS), 1, NOW_MS)])
    return log


@pytest.fixture
def store(log, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    processor = Processor(log, store, [METRIC], RULES, ManualClock(NOW_MS))
    processor.recover()
    processor.step()
    yield store
    store.close()


def test_a_store_that_is_right_is_found_so(log, store):
    found = verify(log, store, [METRIC], RULES, YEARS)
    assert (found.differences, found.left_out) == ((), ())
    assert (found.tables, found.events) == (4, 3)


def test_what_the_store_has_not_read_yet_is_not_asked_for(log, store):
    log.append([Delivery(b"nonsense\n", 1, NOW_MS)])
    assert verify(log, store, [METRIC], RULES, YEARS).differences == ()


def test_records_are_judged_by_the_rules_that_were_in_force(log, store):
    line = b'{"userId":"cy","timestamp":%d,"eventType":"PAGE_VIEW"}\n' % (NOW_MS + 1000)
    log.append([Delivery(line, 1, NOW_MS)])
    processor = Processor(log, store, [METRIC], RULES, ManualClock(NOW_MS))
    processor.recover()
    processor.step()
    stricter = AdmissionRules(max_clock_skew_ms=0)
    assert verify(log, store, [METRIC], stricter, YEARS).differences == ()
    log.append([Delivery(line, 1, NOW_MS)])
    processor = Processor(log, store, [METRIC], stricter, ManualClock(NOW_MS))
    processor.recover()
    processor.step()
    assert verify(log, store, [METRIC], RULES, YEARS).differences == ()


def test_a_store_that_counted_under_other_rules_than_it_says_is_found_out(log, tmp_path):
    class Forgetful(SqliteStore):
        def put_rules_in_force(self, rules):
            del rules
            return super().put_rules_in_force(AdmissionRules(max_clock_skew_ms=0))

    line = b'{"userId":"cy","timestamp":%d,"eventType":"PAGE_VIEW"}\n' % (NOW_MS + 1000)
    log.append([Delivery(line, 1, NOW_MS)])
    store = Forgetful(tmp_path / "other.db")
    processor = Processor(log, store, [METRIC], RULES, ManualClock(NOW_MS))
    processor.recover()
    processor.step()
    found = verify(log, store, [METRIC], RULES, YEARS)
    assert {difference.table for difference in found.differences} == {"views", "ledger"}
    store.close()


def test_of_equal_ids_on_two_partitions_the_one_that_was_counted_is_expected(tmp_path):
    log = MemoryLog(partitions=2)
    store = SqliteStore(tmp_path / "two.db")
    processor = Processor(log, store, [METRIC], RULES, ManualClock(NOW_MS))
    processor.recover()
    for partition, user in ((0, b"ada"), (1, b"bob")):
        line = b'{"eventId":"e","userId":"%s","timestamp":%d,"eventType":"PAGE_VIEW"}\n'
        body = line % (user, NOW_MS)
        log.append([Delivery(body, 1, NOW_MS + 5 - partition)], partition)
        processor.step()
    assert verify(log, store, [METRIC], RULES, YEARS).differences == ()
    store.close()


def test_a_metric_that_is_not_in_the_store_is_left_out_and_named(log, store):
    other = Metric("more", "More", tumbling(minutes=1), (Count("events"),))
    found = verify(log, store, [METRIC, other], RULES, YEARS)
    assert found.differences == ()
    assert found.left_out[0].startswith("metric more: it is not in the store yet")


def test_rows_that_the_store_was_told_to_delete_are_left_out_and_counted(log, store):
    store.expire(buckets_before=NOW_MS + 1, uncounted_before=0, offsets_before={})
    soon = Kept(windows_ms=1000, ledger_ms=10**12, now_ms=NOW_MS + 100_000)
    found = verify(log, store, [METRIC], RULES, soon)
    assert found.differences == ()
    assert found.left_out[0].startswith("6 rows of windows")


def test_rows_that_are_gone_although_they_should_be_kept_are_differences(log, store):
    store.expire(buckets_before=NOW_MS + 1, uncounted_before=0, offsets_before={})
    found = verify(log, store, [METRIC], RULES, YEARS)
    assert len(found.differences) == 6
    assert {difference.table for difference in found.differences} == {
        table.name for table in tables_of(METRIC)
    }


def test_partitions_are_compared_in_the_order_of_intake(tmp_path):
    log = MemoryLog(lambda: 2, partitions=3)
    for received_at in range(40):
        user, partition = ("ada", "bob")[received_at % 2], received_at % 3
        line = b'{"eventId":"%d","userId":"%s","timestamp":%d,"eventType":"PAGE_VIEW"}\n'
        body = line % (received_at % 7, user.encode(), NOW_MS)
        log.append([Delivery(body, 1, NOW_MS + received_at)], partition)
        log.leave_out(received_at % 2, partition)
    store = SqliteStore(tmp_path / "many.db")
    processor = Processor(log, store, [METRIC], RULES, ManualClock(NOW_MS))
    processor.run(threading.Event(), once=True)
    seen = []
    found = verify(log, store, [METRIC], RULES, YEARS, lambda *progress: seen.append(progress))
    assert (found.differences, found.events) == ((), 40)
    assert seen[-1] == (60, 60)
    store.close()


def test_what_the_processor_failed_at_is_no_difference(log, tmp_path):
    store = SqliteStore(tmp_path / "poisoned.db")
    store.prepare([METRIC])
    records = log.read(0, 0, 10**6)
    decoded = reject([records], Rejection("processor_error", "count", "it failed"))
    batch = admit(decoded, SeenIds(1000))
    store.commit(epoch_after(Progress(), decoded, batch, (), "memory"))
    assert verify(log, store, [METRIC], RULES, YEARS).differences == ()
    store.close()
