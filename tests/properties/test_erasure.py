"""Users are erased at random moments of random streams: what is left is what a naive recomputation
of the log says, the ledger balances, and no file holds a byte of their ids."""

import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import SystemClock
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.resume import records_between
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.store import Store
from rtcdp.store.mongo import MongoStore, values_with
from rtcdp.store.sqlite import SqliteStore
from tests.scale import scaled
from tests.sound import assert_sound

HOUR = 3_600_000
SALT = "5a" * 16
METRICS, FOLDS = load_catalog(), load_folds()


class Shop:
    """An installation in a folder, and who comes there."""

    def __init__(self, folder: Path, seed: int, store: Store | None = None) -> None:
        self.folder, self.random, self.clock = folder, random.Random(seed), SystemClock()
        self.users = [f"someone-{seed}-é-{number}" for number in range(8)]
        self.writer = EmbeddedLogWriter(folder, self.clock)
        self.log = EmbeddedLogReader(folder)
        self.store = store or SqliteStore(folder / "store.db")
        self.start(self.store)

    def start(self, store: Store) -> Processor:
        self.engine = Processor(self.log, store, METRICS, AdmissionRules(), self.clock)
        self.engine.folds = FOLDS
        self.engine.recover()
        return self.engine

    def visit(self, count: int) -> list[bytes]:
        """So many events, some of them again, late, or broken; counted. Returns the lines."""
        now = self.clock.now_ms()
        lines = [self._event(now) for _ in range(count)]
        broken = json.dumps({"userId": self.random.choice(self.users)}).encode()
        self.writer.append(
            [
                Delivery(
                    b"".join(lines),
                    count,
                    now,
                    source=self.random.choice(["default", "app"]),
                    intake=self.random.choice(["live", "import"]),
                    rejects=((self.random.randrange(count), broken),),
                )
            ]
        )
        self.count()
        return lines

    def count(self) -> None:
        while self.engine.step():
            pass

    def _event(self, now: int) -> bytes:
        user, pick = self.random.choice(self.users), self.random.randrange
        event = {
            "eventId": f"e{pick(150)}",
            "userId": user,
            "sessionId": f"s {user}",
            "timestamp": now - pick(3 * HOUR),
            "eventType": self.random.choice(["PAGE_VIEW", "ADD_TO_CART", "PURCHASE"]),
            "pageUrl": f"/p/{pick(5)}",
            "productId": f"p{pick(4)}",
            "value": pick(100) / 4,
        }
        return json.dumps(event, ensure_ascii=self.random.random() < 0.5).encode() + b"\n"

    def totals(self) -> dict[str, int]:
        with self.store.snapshot() as snapshot:
            return snapshot.ledger_totals()

    def holds(self, user: str) -> list[str]:
        """The files with a byte of a user's id, however it is spelled, and the log's records, which
        its file holds compressed."""
        spelled = user.encode(), json.dumps(user)[1:-1].encode()
        files = [(each.name, each) for each in self.folder.rglob("*") if each.is_file()]
        held = [(name, path.read_bytes()) for name, path in files]
        extent = self.log.extent(0)
        for piece in records_between(self.log, 0, extent.first_offset, extent.next_offset):
            held += [("a record", record.raw) for record in piece.each()]
        return [name for name, text in held if any(each in text for each in spelled)]

    def check(self, store: Store | None = None) -> None:
        assert_sound(self.log, store or self.store, METRICS, FOLDS, self.clock)

    def close(self) -> None:
        self.writer.close()
        self.log.close()
        self.store.close()


@pytest.fixture
def shop(tmp_path: Path, request) -> Iterator[Shop]:
    made = Shop(tmp_path, getattr(request, "param", 1))
    yield made
    made.close()


@pytest.mark.parametrize("shop", range(1, scaled(1, chaos=5) + 1), indirect=True)
def test_what_is_left_is_what_the_log_says(shop: Shop) -> None:
    gone: list[str] = []
    for user in shop.random.sample(shop.users, 3):
        for _ in range(shop.random.randrange(1, 4)):
            shop.visit(shop.random.randrange(1, 120))
        before = shop.totals()
        done = shop.engine.erase(user, SALT)
        gone.append(user)
        shop.users.remove(user)
        assert [shop.holds(each) for each in gone] == [[]] * len(gone)
        moved = sum(done.records.values())
        assert shop.totals()["erased"] == before["erased"] + moved
        assert shop.totals()["received"] == before["received"]
        shop.check()
    shop.visit(50)
    # Whoever counts the log anew comes to what it holds.
    again = SqliteStore(shop.folder / "again.db")
    shop.start(again)
    shop.count()
    shop.check(again)
    assert [shop.holds(each) for each in gone] == [[]] * len(gone)
    again.close()


def test_no_document_of_mongodb_holds_them_either(tmp_path: Path, mongo_url: str) -> None:
    shop = Shop(tmp_path, 3, MongoStore(mongo_url))
    gone = shop.users[:2]
    shop.users = shop.users[:4]
    lines = [line for _ in range(2) for line in shop.visit(60)]
    assert list(values_with(mongo_url, [gone[0].encode()])) != []
    for user in gone:
        shop.engine.erase(user, SALT)
        shop.users.remove(user)
        spelled = [user.encode(), json.dumps(user)[1:-1].encode()]
        assert list(values_with(mongo_url, spelled)) == []
    shop.check()
    again = [line for line in lines if json.loads(line)["userId"] == gone[1]]
    shop.writer.append(
        [Delivery(b"".join(again), len(again), shop.clock.now_ms(), "other", "import")]
    )
    shop.engine.run(threading.Event(), once=True)
    assert list(values_with(mongo_url, [gone[1].encode()])) == []
    shop.visit(30)
    shop.check()
    shop.close()


def test_old_events_bring_nobody_back_and_new_ones_count(shop: Shop) -> None:
    lines = shop.visit(100)
    user = shop.users[0]
    theirs = [line for line in lines if json.loads(line)["userId"] == user]
    shop.engine.erase(user, SALT)
    before = shop.totals()
    now = shop.clock.now_ms()
    new = json.dumps({"userId": user, "timestamp": now, "eventType": "PAGE_VIEW"}).encode() + b"\n"
    again = Delivery(b"".join(theirs), len(theirs), now, "other", "import")
    shop.writer.append([again])
    shop.count()
    assert shop.totals()["erased"] == before["erased"] + len(theirs)
    assert shop.holds(user) == []
    shop.check()
    # The files are not written anew each time, but before a run ends, and where one was killed.
    shop.writer.append([again])
    shop.count()
    assert shop.holds(user) != []
    shop.engine.run(threading.Event(), once=True)
    assert shop.holds(user) == []
    shop.writer.append([again])
    shop.engine.step()
    shop.start(shop.store)
    assert shop.holds(user) == []
    shop.check()
    before = shop.totals()
    shop.writer.append([Delivery(new, 1, now)])
    shop.count()
    assert shop.totals()["admitted"] == before["admitted"] + 1
    assert shop.holds(user) != []
    shop.check()


def test_what_was_interrupted_after_the_store_s_commit_is_finished_by_the_next(shop: Shop) -> None:
    shop.visit(80)
    user = shop.users[0]
    reader = sqlite3.connect(shop.folder / "log.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunk").fetchone()
    with pytest.raises(LogUnavailable, match="WAL can't be emptied"):
        shop.engine.erase(user, SALT)
    assert shop.holds(user) != []
    reader.execute("COMMIT")
    reader.close()
    shop.start(shop.store)
    assert shop.holds(user) == []
    shop.check()
