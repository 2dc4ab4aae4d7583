import polars as pl
import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.engines import notices
from rtcdp.engines.notices import (
    NOTICES,
    noticed,
    renumbered,
    rests_beside_folds,
    tables_beside,
    with_notices,
)
from rtcdp.folds.rows import empty_rows
from rtcdp.store import RowChanges
from rtcdp.store.row_changes import ROW_BYTES_MAX
from rtcdp.store.sqlite import SqliteStore
from tests.stories import event
from tests.told import START, Teller

SESSIONS = next(fold for fold in load_folds() if fold.name == "sessions")
FOLLOWED = next(fold for fold in load_folds() if fold.name == "product_sessions")


@pytest.fixture
def teller(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    yield Teller(store)
    store.close()


def gone(users):
    keys = pl.DataFrame({"userId": users, "start": [START + n for n in range(len(users))]})
    return RowChanges(SESSIONS.table, keys, empty_rows(SESSIONS.columns))


def notice_of(change):
    _, notices = with_notices([change], [SESSIONS], 1)
    return notices.replace.row(0, named=True)


def test_what_is_gone_is_named_as_far_as_a_row_of_a_store_holds_it_and_counted_beyond():
    users = [f"{n:03d}" + "é" * 250 for n in range(900)]
    notice = notice_of(gone(users))
    assert notice["gone_count"] == 900
    assert 100 < notice["gone"].count(str(START)[:6]) < 900
    # Those that began last.
    assert '"899é' in notice["gone"]
    assert '"000é' not in notice["gone"]
    assert sum(len(str(each).encode()) for each in notice.values()) < ROW_BYTES_MAX


def test_changes_of_other_tables_are_no_news(teller):
    cart = event(START + 1, "ADD_TO_CART", eventId="2", productId="kite")
    teller.tell([event(START, eventId="1", pageUrl="/"), cart], START)
    rows = teller.store.dump(NOTICES)
    assert set(rows["fold"]) == {fold.name for fold in load_folds()}
    assert rows["changed_count"].to_list() == [1] * rows.height
    assert with_notices([], [SESSIONS], 1) == ()


def test_more_than_is_named_is_counted(teller):
    count = SESSIONS.step.named_max + 5
    teller.tell([event(START + n, user=f"u{n}", eventId=f"{n}") for n in range(count)], START)
    with teller.store.snapshot() as snapshot:
        found = noticed(snapshot, SESSIONS, 0)
    assert (found.keys.height, found.more_changed, found.more_gone) == (count - 5, 5, 0)
    assert found.keys["start"].min() == START + 5


def test_a_fold_that_is_followed_names_thousands_in_parts_that_rows_of_a_store_hold(teller):
    count = FOLLOWED.step.named_max + 5
    user = "u" * 60 + "{:05d}"

    def viewed(number, at, product):
        return event(at, user=user.format(number), eventId=f"{number}{at}", productId=product)

    teller.tell([viewed(number, START + number, "hat") for number in range(count)], START)
    teller.tell([viewed(number, START + 60_000, "sock") for number in range(7)], START)
    with teller.store.snapshot() as snapshot:
        found, newer = (noticed(snapshot, FOLLOWED, epoch) for epoch in (0, 1))
    assert (found.keys.height, found.more_changed, found.more_gone) == (count, 5, 0)
    assert (newer.keys.height, newer.more_changed, newer.is_whole) == (7, 0, True)
    rows = teller.store.dump(NOTICES).filter(fold=FOLLOWED.name)
    assert rows.filter(epoch=1)["changed_count"].sum() == count
    assert rows["changed"].str.len_bytes().max() < ROW_BYTES_MAX / 2
    parts = RowChanges(NOTICES, rows.select(NOTICES.primary_key).clear(), rows.filter(epoch=1))
    again = renumbered(parts, 9).replace
    assert again["slot"].n_unique() == again.height > 5
    assert again["slot"].str.head(3).unique().to_list() == ["009"]


def test_the_last_epochs_rest_and_no_more(teller, monkeypatch):
    monkeypatch.setattr(notices, "KEPT_EPOCHS", 3)
    for number in range(5):
        teller.tell([event(START, user=f"u{number}", eventId=f"{number}")], START)
    assert teller.store.dump(NOTICES).filter(fold="sessions").height == 3
    with teller.store.snapshot() as snapshot:
        assert noticed(snapshot, SESSIONS, 2).is_whole
        found = noticed(snapshot, SESSIONS, 1)
        assert sorted(found.keys["userId"]) == ["u2", "u3", "u4"]
        assert not found.is_whole
        assert noticed(snapshot, SESSIONS, 5).keys.is_empty()


@pytest.mark.parametrize(
    ("table", "expected"), [("sessions", False), ("timeline__userid", True), ("notices__", True)]
)
def test_tables_beside_folds_are_known_by_their_names(table, expected):
    assert rests_beside_folds(table) is expected


def test_who_has_no_folds_has_no_notices():
    assert tables_beside(()) == ()
    assert tables_beside([SESSIONS]) == (NOTICES,)
