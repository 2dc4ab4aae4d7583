"""docs/sql.md is true: its queries run on both databases, from outside, and find what they ask."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.log.contract import Delivery
from rtcdp.sources.synthetic.products import product_lines
from rtcdp.sources.synthetic.stream import EventStream
from rtcdp.store import Store
from rtcdp.store.postgres import PostgresStore
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog
from tests.servers import unused_name

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GRANTS = [block for block in BLOCKS if "CREATE ROLE" in block]
QUERIES = [block for block in BLOCKS if block not in GRANTS]
BY_BOTH = [block for block in QUERIES if not block.startswith("--")]

START_MS = 1_767_225_600_000
LINES = 3_000
HOURS = 4

IN_SQLITE = """
import json, sqlite3, sys
reader = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
reader.row_factory = sqlite3.Row
print(json.dumps([[dict(row) for row in reader.execute(sql)] for sql in json.load(sys.stdin)]))
"""


def fill(store: Store) -> None:
    """Some hours of a shop's traffic, counted by the whole catalog."""
    log, stream = MemoryLog(lambda: 500), EventStream(seed=5, run_ms=START_MS, users=5)
    times_ms = [START_MS + position * HOURS * 3_600_000 // LINES for position in range(LINES)]
    lines = stream.lines(times_ms)
    for first in range(0, LINES, 100):
        batch = split(
            b"\n".join(lines[first : first + 100]), "application/x-ndjson", CollectorLimits()
        )
        log.append([Delivery(batch.lines, batch.line_count, times_ms[first + 99], "shop")])
    processor = Processor(log, store, load_catalog(), AdmissionRules(), ManualClock())
    processor.folds = load_folds()
    updates, products = MemoryLog(), product_lines()
    updates.append([Delivery(b"\n".join(products) + b"\n", len(products), START_MS)])
    processor.products = ProductUpdates(updates, store)
    processor.run(threading.Event(), once=True)
    store.close()


@pytest.fixture(scope="module")
def by_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """What SQLite answers, by query."""
    path = tmp_path_factory.mktemp("sql") / "store.db"
    fill(SqliteStore(path))
    asked = [sql for sql in QUERIES if not sql.startswith("-- PostgreSQL")]
    done = subprocess.run(
        [sys.executable, "-c", IN_SQLITE, path],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
    )
    return dict(zip(asked, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def by_postgresql(postgres_server) -> Iterator[dict[str, list[dict[str, object]]]]:  # type: ignore[no-untyped-def]
    """What PostgreSQL answers to a reader who was granted what the page says, by query."""
    database = unused_name()
    url = postgres_server.url(database)
    fill(PostgresStore(url))
    (grants,) = GRANTS
    with closing(psycopg.connect(url, autocommit=True)) as owner:
        owner.execute(grants)
        reader_s = make_conninfo(url, user="reader", password="change me")  # noqa: S106 - the page's
        with closing(psycopg.connect(reader_s, row_factory=dict_row)) as reader:
            asked = [sql for sql in QUERIES if not sql.startswith("-- SQLite")]
            yield {sql: reader.execute(sql).fetchall() for sql in asked}
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("SELECT * FROM public.__orders")
        owner.execute("DROP OWNED BY reader")
        owner.execute("DROP ROLE reader")
    postgres_server.drop_database(database)


def test_ten_questions_are_asked_five_of_stories_and_one_of_products() -> None:
    assert len(re.findall(r"^\*\*.*\?\*\*", PAGE, re.MULTILINE)) == 16
    assert len(BY_BOTH) == 13


def test_every_query_finds_something_in_sqlite(by_sqlite) -> None:  # type: ignore[no-untyped-def]
    assert [sql for sql, rows in by_sqlite.items() if not rows] == []


def test_every_query_finds_something_in_postgresql(by_postgresql) -> None:  # type: ignore[no-untyped-def]
    assert [sql for sql, rows in by_postgresql.items() if not rows] == []


@pytest.mark.parametrize("sql", BY_BOTH)
def test_both_say_the_same(by_sqlite, by_postgresql, sql: str) -> None:  # type: ignore[no-untyped-def]
    found = [{name: plain(value) for name, value in row.items()} for row in by_postgresql[sql]]
    expected = [{name: plain(value) for name, value in row.items()} for row in by_sqlite[sql]]
    assert found == expected


def plain(value: object) -> object:
    """A value as SQLite has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return int(value)
    return round(float(value), 9) if isinstance(value, Decimal | float) else value
