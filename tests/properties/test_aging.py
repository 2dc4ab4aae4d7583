"""Events of some types are let go of at random moments of random streams: no file holds a byte of
them, no count and no row of a story moves, the ledger balances, and what is left is what a naive
recomputation of the log says."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import ManualClock
from rtcdp.definitions import Fold
from rtcdp.engines.aging import KeptByType
from rtcdp.engines.native.limits import StoreRetention
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.resume import records_between
from rtcdp.folds.timeline import timelines_of
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.limits import Retention
from rtcdp.store import Store, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, content
from tests.scale import scaled
from tests.sound import assert_sound

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
EVER = Retention(10**15, 2**62, 0)
FOR_EVER = StoreRetention(10**15, 10**15)
KEPT = {"PAGE_VIEW": 2 * DAY, "SEARCH": 3 * DAY}
METRICS = [
    metric
    for metric in load_catalog()
    if metric.name in ("user_page_view_counts", "events_by_type", "active_users")
]
FOLDS = [
    fold for fold in load_folds() if fold.name in ("sessions", "daily_retention", "cart_outcomes")
]


class Site:
    """An installation in a folder whose time is ours, and what happens there."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.clock = ManualClock(START_MS)
        self.writer = EmbeddedLogWriter(folder, self.clock)
        self.log = EmbeddedLogReader(folder)
        self.store = SqliteStore(folder / "store.db")
        self.marks: list[tuple[str, int, str, int]] = []
        self.start(self.store)

    def start(self, store: Store, folds: Sequence[Fold] = FOLDS) -> Processor:
        self.engine = Processor(self.log, store, METRICS, AdmissionRules(), self.clock)
        self.engine.folds, self.engine.kept_by_type = folds, KeptByType(KEPT, 0.0)
        self.engine.log_retention, self.engine.store_retention = EVER, FOR_EVER
        self.engine.recover()
        return self.engine

    def visit(self, count: int, intake: str = "live", behind_ms: int = 5 * MINUTE) -> None:
        """So many events, some of them again, late, or broken; counted."""
        now, pick = self.clock.now_ms(), self.random.randrange
        lines = [self._event(now - pick(behind_ms), intake) for _ in range(count)]
        lines += self.random.sample(lines, count // 10)
        late = self._event(now - 3 * HOUR, "live")
        broken = self._event(now, "broken").replace(b'"timestamp"', b'"time"')
        told = {"live": [*lines, late], "import": lines}[intake]
        self.writer.append(
            [Delivery(b"".join(told), len(told), now, "app", intake, ((0, broken.rstrip()),))]
        )
        self.count()

    def never_pause(self, user: str, hours: int) -> None:
        """One user has an event every 20 minutes for so many hours; the first one comes last."""
        now = self.clock.now_ms()
        for behind in (*range(3 * hours), 3 * hours):
            line = self._event(now - behind * 20 * MINUTE, "live", user)
            self.writer.append([Delivery(line, 1, now, "app", "import")])
            if behind >= 3 * hours - 1:
                self.count()

    def rows_before(self, fold: Fold, instant: int) -> pl.DataFrame:
        """The rows of a fold that begin before a time, without what may always be added."""
        rows = self.store.dump(fold.table).drop("returned", "last_return", strict=False)
        return rows.filter(pl.col(fold.step.order[0]) < instant)

    def count(self) -> None:
        while self.engine.step():
            pass

    def let_go(self) -> None:
        """Let the engine do what it does from time to time."""
        self.engine.run(threading.Event(), once=True)

    def run(self, milliseconds: int) -> None:
        """Let the engine work for so long, without anything to count."""
        for _ in range(milliseconds // (2 * MINUTE)):
            self.clock.advance(2 * MINUTE)
            self.engine.step()

    def _event(self, timestamp: int, how: str, user: str | None = None) -> bytes:
        pick, name = self.random.randrange, self.random.choice([*KEPT, "ADD_TO_CART", "PURCHASE"])
        mark = f"m{len(self.marks):06d}é{pick(10**9)}"
        self.marks.append((name, timestamp, mark, self.clock.now_ms() if how == "broken" else 0))
        event = {
            "eventId": mark,
            "userId": user or f"someone-{pick(6)}",
            "timestamp": timestamp,
            "eventType": name,
            "pageUrl": f"/p/{pick(5)}",
            "productId": f"p{pick(4)}",
            "value": pick(100) / 4,
            "properties": {"note": f"a note of {mark}"},
        }
        return json.dumps(event, ensure_ascii=False).encode() + b"\n"

    def held(self) -> set[str]:
        """The marks of events of which something stands in a file, a record of the log, a chunk of
        a timeline, or what was not counted. Rows of sessions go on naming their first events."""
        texts = [each.read_bytes() for each in self.folder.rglob("*") if each.is_file()]
        extent = self.log.extent(0)
        for piece in records_between(self.log, 0, extent.first_offset, extent.next_offset):
            texts += [record.raw for record in piece.each()]
        every = b"\n".join(texts)
        with self.store.snapshot() as snapshot:
            rows = snapshot.uncounted(UncountedScan(limit=10**6))
        ids = " ".join(filter(None, rows["event_id"]))
        for telling in timelines_of(FOLDS):
            ids += " ".join(self.store.dump(telling.table)["events"])
        marks = [mark for *_, mark, _ in self.marks]
        return {mark for mark in marks if mark in ids or f"a note of {mark}".encode() in every}

    def told(self) -> dict[str, pl.DataFrame]:
        """Every count, every row of a fold, and the ledger."""
        tables = content(self.store, METRICS, FOLDS)
        for telling in timelines_of(FOLDS):
            del tables[telling.table.name]
        with self.store.snapshot() as snapshot:
            tables["ledger"] = snapshot.ledger(limit=10**6)
        return tables

    def check(self, store: Store | None = None) -> None:
        assert_sound(self.log, store or self.store, METRICS, FOLDS, self.clock)

    def close(self) -> None:
        self.writer.close()
        self.log.close()
        self.store.close()


@pytest.fixture
def site(tmp_path: Path, request) -> Iterator[Site]:
    made = Site(tmp_path, getattr(request, "param", 1))
    yield made
    made.close()


@pytest.mark.parametrize("site", range(1, scaled(1, chaos=5) + 1), indirect=True)
def test_nothing_is_left_of_them_and_no_number_moves(site: Site) -> None:
    for half in range(8):
        site.clock.advance(DAY // 2)
        site.visit(site.random.randrange(20, 60))
        site.clock.advance(site.random.randrange(HOUR))
        site.visit(10)
        before = site.told() if half == 7 else {}
        site.let_go()
        if before:
            after = site.told()
            assert [name for name in before if not before[name].equals(after[name])] == []
            site.check()
    now, held = site.clock.now_ms(), site.held()
    for name, timestamp, mark, broken_at in site.marks:
        age = now - (broken_at or timestamp)
        if age > KEPT.get(name, age) + 2 * HOUR:
            assert mark not in held, (name, age / DAY)
        if name not in KEPT or age < KEPT[name]:
            assert mark in held, (name, age / DAY)


def test_after_a_restart_what_waited_for_its_ids_goes_when_none_can_come_again(site: Site) -> None:
    """Not a day later, when the next look is due: a quiet installation may be restarted daily."""
    site.visit(20)
    site.let_go()
    site.clock.advance(4 * DAY)
    site.let_go()
    for _ in range(2):
        site.start(site.store).kept_by_type = KeptByType(KEPT, DAY / 1000)
        site.run(90 * MINUTE)
    old = {mark for name, _, mark, broken_at in site.marks if name in KEPT and not broken_at}
    assert old
    assert old.isdisjoint(site.held())
    site.check()


def test_what_comes_later_moves_no_row_of_before(site: Site) -> None:
    """Not somebody who never pauses, no old history, and no fold that stood still for a while."""
    for _ in range(10):
        site.visit(20)
        site.clock.advance(DAY)
        site.let_go()
    # No cart and no session reaches so far.
    instant = site.log.aged().told_from - 26 * HOUR
    old = {fold.name: site.rows_before(fold, instant) for fold in FOLDS}
    assert min(rows.height for rows in old.values()) > 5
    site.clock.advance(30 * HOUR)
    site.never_pause("someone-0", 28)
    site.visit(20, "import", behind_ms=6 * DAY)
    site.start(site.store, ())
    site.visit(20)
    site.start(site.store)
    for fold in FOLDS:
        assert site.rows_before(fold, instant).equals(old[fold.name]), fold.name
    site.check()


def test_a_store_that_has_not_counted_what_went_says_from_when_on_it_is_whole(site: Site) -> None:
    with closing(SqliteStore(site.folder / "behind.db")) as behind:
        for store in (site.store, behind):
            site.start(store)
            site.visit(20) if store is site.store else site.count()
        site.start(site.store)
        for _ in range(5):
            site.visit(20)
            site.clock.advance(DAY)
            site.let_go()
        aged = site.log.aged()
        site.start(behind)
        site.count()
        with behind.snapshot() as snapshot:
            assert {snapshot.complete_from(each.name) for each in METRICS} == {aged.whole_from}
            assert {snapshot.complete_from(each.name) for each in FOLDS} == {aged.stories_from}
        with site.store.snapshot() as snapshot:
            assert {snapshot.complete_from(each.name) for each in METRICS} == {None}
        site.check()
        site.check(behind)
