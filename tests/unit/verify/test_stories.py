"""What a store tells of its folds otherwise than the log does is found."""

from dataclasses import replace

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.folds.timeline import standard_timeline
from rtcdp.store import RowChanges
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.epochs import EpochMaker, row_changes
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept

FOLDS = load_folds()
SESSIONS = next(fold for fold in FOLDS if fold.name == "sessions")
TIMELINE = standard_timeline("userId").table
FOREVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)


@pytest.fixture
def driver(tmp_path):
    driver = Driver((), tmp_path, folds=FOLDS, records_per_read=lambda: 4)
    for number in range(10):
        driver.feed(
            {
                "eventId": f"e{number}",
                "userId": "ann" if number % 3 else "bob",
                "eventType": ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE")[number % 3],
                "timestamp": START_MS - number * 1000,
                "pageUrl": '/"é"\n',
                "value": number / 3,
            }
        )
    driver.process()
    yield driver
    driver.close()


def verified(driver):
    return verify(driver.log, driver.store, FOLDS, AdmissionRules(), FOREVER)


def told(driver):
    """What is told of stories and rows; the epochs that do damage count nothing."""
    return [each for each in verified(driver).differences if each.table != "ledger"]


def damage(driver, changes: RowChanges):
    """Changes rows in an epoch that reads nothing."""
    progress = driver.store.progress()
    maker = EpochMaker(number=progress.epoch, next_offset=progress.next_offsets[0])
    driver.store.commit(replace(maker.make(admitted=0), rows=(changes,)))


def test_a_store_that_is_right_is_found_so(driver):
    found = verified(driver)
    assert (found.differences, found.left_out, found.events) == ((), (), 10)
    assert found.tables == len(FOLDS) + 2


def test_a_row_too_few_too_many_or_other_is_told(driver):
    (row, _) = driver.rows("sessions")
    values = tuple(row.values())
    other = (*values[:3], row["event_count"] + 1, *values[4:])
    nobodys = ("nobody", *values[1:])
    key = (row["userId"], row["start"])
    damage(driver, row_changes(SESSIONS.table, put=[other, nobodys]))
    found = [(each.table, each.key) for each in told(driver)]
    assert found == [("sessions", key), ("sessions", ("nobody", row["start"]))]
    damage(driver, row_changes(SESSIONS.table, delete=[key, ("nobody", row["start"])]))
    (gone,) = told(driver)
    assert (gone.key, gone.found) == (key, None)


def test_an_event_that_is_not_told_is_missed(driver):
    chunk = driver.store.dump(TIMELINE).row(0)
    damage(driver, row_changes(TIMELINE, delete=[chunk[:3]]))
    found = {each.table for each in told(driver)}
    assert TIMELINE.name in found


def test_what_is_not_there_yet_is_left_out(driver):
    user = replace(SESSIONS, name="other_sessions")
    found = verify(driver.log, driver.store, [user], AdmissionRules(), FOREVER)
    assert found.differences == ()
    assert found.left_out[0].startswith("fold other_sessions: it is not in the store yet")


@pytest.mark.parametrize(("age_ms", "is_left_out"), [(5_000, True), (3_600_000, False)])
def test_who_began_before_what_is_kept_is_left_out_and_no_one_else(driver, age_ms, is_left_out):
    """The earliest of the events is nine seconds old."""
    retention = next(fold for fold in FOLDS if fold.name == "daily_retention")
    row = driver.rows("daily_retention")[0]
    damage(driver, row_changes(retention.table, delete=[(row["userId"], row["started_at"])]))
    expired = {"uncounted_before": 0, "offsets_before": {}}
    driver.store.expire(buckets_before=START_MS - age_ms, **expired)
    found = [each.table for each in told(driver) if each.table == "daily_retention"]
    assert found == ([] if is_left_out else ["daily_retention"])
    assert any("where they began" in each for each in verified(driver).left_out) == is_left_out
