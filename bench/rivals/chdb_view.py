"""Embedded ClickHouse: a materialized view sums what is inserted, block by block, as it comes."""

from collections.abc import Iterator
from pathlib import Path

from chdb.session import Session

from bench.rivals.contestant import STEP_MS, WINDOW_MS, Row, answer

_TABLES = (
    "CREATE DATABASE shop",
    """CREATE TABLE shop.events (userId LowCardinality(String), eventType LowCardinality(String),
        timestamp DateTime64(3, 'UTC')) ENGINE = Null""",
    """CREATE TABLE shop.counts (start Int64, userId LowCardinality(String), views UInt64)
        ENGINE = SummingMergeTree ORDER BY (userId, start)
        SETTINGS fsync_after_insert = 1, fsync_part_directory = 1""",
    f"""CREATE MATERIALIZED VIEW shop.counting TO shop.counts AS
        SELECT newest - arrayJoin(range(0, {WINDOW_MS}, {STEP_MS})) AS start, userId, views FROM (
            SELECT intDiv(toUnixTimestamp64Milli(timestamp), {STEP_MS}) * {STEP_MS} AS newest,
                userId, count() AS views
            FROM shop.events WHERE eventType = 'PAGE_VIEW' GROUP BY newest, userId
        )""",
)
_INSERT = """INSERT INTO shop.events SELECT userId, eventType, timestamp
    FROM file('{events}', 'JSONEachRow', 'userId String, eventType String, timestamp DateTime64(3)')
    SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1,
        min_insert_block_size_rows = 1000000"""


def run(events: Path, out: Path) -> None:
    session = Session(str(out))
    for statement in _TABLES:
        session.query(statement)
    session.query(_INSERT.format(events=events))
    session.close()


def rows(out: Path) -> Iterator[Row]:
    session = Session(str(out))
    told = session.query(
        "SELECT start, userId, sum(views) FROM shop.counts GROUP BY start, userId", "TSV"
    )
    for line in str(told).splitlines():
        start, user, views = line.split("\t")
        yield int(start), user, int(views)
    session.close()


if __name__ == "__main__":
    answer(run, rows)
