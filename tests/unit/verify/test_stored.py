from dataclasses import replace

from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.judge import Verdict
from rtcdp.verify.stored import read_stored, recorded_verdict, view_rows
from tests.unit.verify.conftest import METRICS


def test_everything_that_an_outsider_can_read(driver: Driver) -> None:
    with driver.store.snapshot() as snapshot:
        stored = read_stored(snapshot, METRICS)
    assert stored.next_offsets == {0: 5}
    assert stored.newest == {0: START_MS}
    assert stored.verdicts == {
        (0, 2): Verdict("duplicate", "duplicate"),
        (0, 3): Verdict("late", "late"),
        (0, 4): Verdict("dead_letter", "missing_field"),
    }
    counts = {"received": 5, "admitted": 2, "duplicate": 1, "late": 1, "dead_letter": 1}
    assert stored.ledger == {("default", START_MS): counts}
    row = {"events": 1, "mean": 1.5, "pages": 0, "window_end": START_MS + 60_000}
    assert stored.answers["by_user"][START_MS, "ada"] == row
    assert len(stored.answers["panes"]) == 13


def test_views_say_the_same(driver: Driver) -> None:
    rows = view_rows(METRICS[0], driver.store.readable(METRICS[0]))
    row = {"events": 1, "mean": 1.5, "pages": 0, "window_end": START_MS + 60_000}
    assert rows[START_MS, "ada"] == row
    assert len(view_rows(METRICS[1], driver.store.readable(METRICS[1]))) == 13


def test_what_has_no_row_is_admitted_unless_rows_have_expired(driver: Driver) -> None:
    with driver.store.snapshot() as snapshot:
        stored = replace(read_stored(snapshot, METRICS), decided_from={0: 1})
    judged = {(0, 0): Verdict("late", "late")}
    assert recorded_verdict(stored, judged, (0, 0)) == Verdict("late", "late")
    assert recorded_verdict(stored, judged, (0, 1)) == Verdict("admitted")
    assert recorded_verdict(stored, judged, (0, 3)) == Verdict("late", "late")
