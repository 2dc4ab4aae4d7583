"""What recommendations are made of follows the rows of the store, and is bounded."""

import threading
from dataclasses import replace
from functools import partial

import pytest

from rtcdp.answers import product_history
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.product_history import HistoryLimits, ProductHistory
from rtcdp.answers.product_rows import followed
from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import ManualClock
from rtcdp.errors import NotThere
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.store.sql.snapshot import SqlSnapshot
from rtcdp.testing.epochs import row_changes
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START, Teller


def seen(user, at, *products):
    return [
        event(START + at + n * MINUTE, user=user, productId=product, eventId=f"{user}{at}{n}")
        for n, product in enumerate(products)
    ]


def known(history, read):
    with open_reading(read) as reading:
        return history.known(read, reading)


def sessions(history, read):
    return known(history, read).model.index.sessions().rows()


@pytest.fixture(autouse=True)
def no_look_is_long(monkeypatch):
    """Unless a test says so, whatever else the machine does."""
    monkeypatch.setattr(product_history, "SHORT_S", 60.0)


@pytest.fixture
def teller(make_teller):
    teller = make_teller()
    teller.tell([*seen("ada", 0, "shoe", "sock"), *seen("bob", HOUR, "hat")], START + HOUR)
    return teller


def test_it_is_read_from_the_rows_and_follows_them(teller):
    history, read = ProductHistory(), teller.installation(START + DAY)
    assert sessions(history, read) == [
        ("ada", START, ["shoe", "sock"]),
        ("bob", START + HOUR, ["hat"]),
    ]
    # One goes on, another begins, and what comes late joins two sessions into one.
    teller.tell([*seen("ada", 10 * MINUTE, "lamp"), *seen("ada", 45 * MINUTE, "tent")], START + DAY)
    teller.tell([*seen("ada", 30 * MINUTE, "kite"), *seen("cay", 0, "hat")], START + DAY)
    assert sessions(history, read) == [
        ("ada", START, ["shoe", "sock", "lamp", "kite", "tent"]),
        ("cay", START, ["hat"]),
        ("bob", START + HOUR, ["hat"]),
    ]
    assert sessions(ProductHistory(), read) == sessions(history, read)


def test_a_row_that_is_deleted_is_not_heard_any_more(teller):
    history, read = ProductHistory(), teller.installation(START + DAY)
    fold = known(history, read).fold
    teller.erase(row_changes(fold.table, delete=[("ada", START)]))
    assert sessions(history, read) == [("bob", START + HOUR, ["hat"])]


def test_nothing_is_done_where_nothing_happened(teller):
    history, read = ProductHistory(), teller.installation(START + DAY)
    assert known(history, read) is known(history, read)


def test_only_so_many_days_and_sessions_are_heard(teller):
    teller.tell(seen("cay", 3 * DAY, "hat"), START + 3 * DAY)
    read = teller.installation(START + 3 * DAY)
    days = ProductHistory(HistoryLimits(days=2))
    assert sessions(days, read) == [("cay", START + 3 * DAY, ["hat"])]
    newest = ProductHistory(HistoryLimits(sessions=2))
    assert [row[0] for row in sessions(newest, read)] == ["bob", "cay"]
    teller.tell(seen("dan", 3 * DAY, "hat"), START + 3 * DAY)
    assert [row[0] for row in sessions(newest, read)] == ["cay", "dan"]


@pytest.fixture
def few_are_named(monkeypatch):
    monkeypatch.setattr(ProductSessions, "named_max", 200)


@pytest.mark.usefixtures("few_are_named")
def test_what_an_epoch_does_not_name_is_read_again(teller):
    history, read = ProductHistory(), teller.installation(START + 2 * HOUR)
    assert known(history, read).is_exact
    many = [row for n in range(300) for row in seen(f"u{n:03d}", HOUR + n, "shoe", "hat")]
    old = seen("ada", 10 * MINUTE, "lamp")
    teller.tell([*many, *old], START + 2 * HOUR)
    found = known(history, read)
    assert found.model.index.session_count == 302
    assert not found.is_exact
    later = teller.installation(START + 2 * HOUR + 601_000)
    assert known(history, later).is_exact
    assert sessions(history, later) == sessions(ProductHistory(), later)


@pytest.mark.usefixtures("few_are_named")
def test_what_is_read_again_later_is_not_worked_out_anew_until_then(teller):
    history, read = ProductHistory(), teller.installation(START + 2 * HOUR)
    known(history, read)
    teller.tell([row for n in range(300) for row in seen(f"u{n:03d}", HOUR + n, "hat")], START)
    found = known(history, read)
    assert not found.is_exact
    assert known(history, read) is found


def test_of_thousands_that_an_epoch_changes_none_is_looked_for(teller, monkeypatch):
    history, read = ProductHistory(), teller.installation(START + 2 * HOUR)
    known(history, read)
    many = [row for n in range(3_000) for row in seen(f"u{n:04d}", HOUR + n, "hat")]
    teller.tell([*many, *seen("ada", 10 * MINUTE, "lamp")], START + 2 * HOUR)
    monkeypatch.setattr(SqlSnapshot, "row_scan", None)
    found = known(history, read)
    assert found.is_exact
    monkeypatch.undo()
    assert sessions(history, read) == sessions(ProductHistory(), read)


def test_to_have_read_all_does_not_defer_the_next_look(teller, monkeypatch):
    read_all = product_history.held_in
    took_s = iter([30.0])

    def slowly(*asked):
        ahead_s[0] += next(took_s, 0.0)
        return read_all(*asked)

    ahead_s = [0.0]
    monkeypatch.setattr(product_history, "SHORT_S", 0.05)
    monkeypatch.setattr(product_history, "held_in", slowly)
    for name in ("perf_counter", "thread_time"):
        usual = getattr(product_history.time, name)
        later_by = partial(lambda told: told() + ahead_s[0], usual)
        monkeypatch.setattr(product_history.time, name, later_by)
    history = ProductHistory()
    known(history, teller.installation(START + DAY))
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    later = teller.installation(START + DAY + 1_000)
    assert known(history, later).model.index.session_count == 2
    history.wait(5)
    assert known(history, later).model.index.session_count == 3


def test_a_look_that_waited_for_others_does_not_defer_the_next_one(teller, monkeypatch):
    slow_s, usual = [0.0], product_history.time.perf_counter

    def slowly(*asked):
        slow_s[0] += 30.0
        return followed(*asked)

    monkeypatch.setattr(product_history, "SHORT_S", 0.05)
    monkeypatch.setattr(product_history, "followed", slowly)
    monkeypatch.setattr(product_history.time, "perf_counter", lambda: usual() + slow_s[0])
    history = ProductHistory()
    for number, user in enumerate(("cay", "dan", "eva")):
        known(history, teller.installation(START + DAY + number * 1_000))
        history.wait(5)
        teller.tell(seen(user, HOUR, "hat"), START + DAY)
    known(history, teller.installation(START + DAY + 3_000))
    history.wait(5)
    assert known(history, teller.installation(START + DAY + 3_000)).model.index.session_count == 5


def test_after_the_end_of_a_long_look_there_is_a_pause(teller, monkeypatch):
    clock = ManualClock(START + DAY)

    def slowly(*asked):
        clock.advance(3_000)
        return followed(*asked)

    def count():
        found = known(history, teller.installation(START + DAY, clock=clock))
        history.wait(5)
        return found.model.index.session_count

    monkeypatch.setattr(product_history, "SHORT_S", -1.0)
    monkeypatch.setattr(product_history, "followed", slowly)
    monkeypatch.setattr(product_history.time, "thread_time", lambda: 0.0)
    history = ProductHistory()
    count()
    clock.advance(1_000)
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    assert (count(), clock.now_ms()) == (2, START + DAY + 4_000)
    teller.tell(seen("dan", HOUR, "hat"), START + DAY)
    clock.advance(150)
    assert [count(), count()] == [3, 3]
    clock.advance(100)
    assert [count(), count()] == [3, 4]


def test_while_the_fold_is_filled_all_is_read_again_and_once_more_at_its_end(make_teller):
    *others, fold = sorted(load_folds(), key=lambda each: each.name == "product_sessions")
    before = make_teller(*others)
    before.tell([event(START)], START)
    teller = Teller(before.store)
    fill = partial(teller.store.commit_backfill, fold.name, next_offsets={0: 0})
    history = ProductHistory()

    def glanced(after_s):
        found = history.glance(teller.installation(START + DAY + 1_000 * after_s))
        return found.model.index.session_count, found.is_filling

    def filled(user):
        told = {name: "" if kind == "text" else 0 for name, kind in fold.table.columns}
        told |= {fold.key: user, fold.step.order[0]: START, "products": '["hat"]', "deeds": "v"}
        return row_changes(fold.table, put=[[told[name] for name in fold.table.column_names]])

    fill([filled("ada")], complete=False)
    assert glanced(0) == (1, True)
    fill([filled("bob")], complete=False)
    assert (glanced(4), glanced(6)) == ((1, True), (2, True))
    fill([filled("cay")], complete=True)
    assert glanced(7) == (3, False)


def test_a_long_look_is_taken_beside_the_answers(teller, monkeypatch):
    history, read = ProductHistory(), teller.installation(START + DAY)
    monkeypatch.setattr(product_history, "SHORT_S", -1.0)
    first = known(history, read)
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    later = teller.installation(START + DAY + 1_000)
    assert known(history, later) is first
    history.wait(5)
    assert known(history, later).model.index.session_count == 3


def test_who_asks_first_after_a_pause_waits_for_a_look(teller, monkeypatch):
    history = ProductHistory()
    monkeypatch.setattr(product_history, "SHORT_S", -1.0)
    known(history, teller.installation(START + DAY))
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    later = teller.installation(START + DAY + 3_201)
    with history._looking:
        # Somebody looks already, whom nobody waits for.
        assert known(history, later).model.index.session_count == 2
    assert known(history, later).model.index.session_count == 3


def test_what_is_behind_says_how_far(teller, monkeypatch):
    history, then = ProductHistory(), START + DAY
    monkeypatch.setattr(product_history, "SHORT_S", -1.0)
    first = history.glance(teller.installation(then)).freshness
    teller.tell(seen("cay", HOUR, "hat"), then)
    later = history.glance(teller.installation(then + 900)).freshness
    assert (later.as_of, later.lag_ms) == (first.as_of, first.lag_ms + 900)


def test_of_two_glances_at_the_same_time_the_newer_one_is_kept(teller):
    history, read = ProductHistory(), teller.installation(START + DAY)
    newer = history.glance(read)
    older = replace(newer, epoch=newer.epoch - 1)
    assert history._noted(older, START) is newer
    assert history.at_hand(read) is newer


def test_where_no_thread_can_be_had_the_next_one_looks(teller, monkeypatch):
    history, then = ProductHistory(), START + DAY
    first = history.glance(teller.installation(then))

    def refused(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert history.at_hand(teller.installation(then + 110)) is first
    assert history.at_hand(teller.installation(then + 301)) is None


def test_without_the_fold_nothing_can_be_recommended(make_teller):
    teller = make_teller(*[fold for fold in make_teller().folds if fold.name == "sessions"])
    with pytest.raises(NotThere, match="nothing is told of products"):
        known(ProductHistory(), teller.installation(START))


def test_a_glance_is_kept_for_a_moment_and_says_from_when_it_is(teller):
    history, then = ProductHistory(), START + DAY
    first = history.glance(teller.installation(then))
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    same = history.glance(teller.installation(then + 99))
    assert (same.model.index.session_count, same.freshness) == (2, first.freshness)
    assert history.glance(teller.installation(then + 101)).model.index.session_count == 3


def test_what_is_at_hand_is_what_was_glanced_at_and_a_bit_older_while_somebody_looks(teller):
    history, then = ProductHistory(), START + DAY

    def at_hand(after_ms):
        return history.at_hand(teller.installation(then + after_ms))

    assert at_hand(0) is None
    seen_then = history.glance(teller.installation(then))
    assert at_hand(99) is seen_then
    assert at_hand(301) is None
    with history._glancing:
        assert at_hand(2_999) is seen_then
        assert at_hand(3_001) is None
    # The first one whose look is due is told what is there, and the next one what is new.
    teller.tell(seen("cay", HOUR, "hat"), START + DAY)
    assert at_hand(101) is seen_then
    history.wait(5)
    assert at_hand(200).model.index.session_count == 3


def test_a_store_without_anything_has_no_sessions(make_teller):
    assert sessions(ProductHistory(), make_teller().installation(START)) == []
