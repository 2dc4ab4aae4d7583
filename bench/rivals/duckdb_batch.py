"""DuckDB reads the file once it is whole, into a table of its database."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from bench.rivals.contestant import STEP_MS, WINDOW_MS, Row, answer

_COUNT = f"""
CREATE TABLE counts AS
WITH steps AS (
    SELECT epoch_ms(timestamp) // {STEP_MS} * {STEP_MS} AS newest, userId, count(*) AS views
    FROM read_json(
        $events, format = 'newline_delimited',
        columns = {{userId: 'VARCHAR', eventType: 'VARCHAR', timestamp: 'TIMESTAMP'}}
    )
    WHERE eventType = 'PAGE_VIEW' GROUP BY ALL
)
SELECT newest - back AS start, userId, sum(views)::BIGINT AS views
FROM steps, range(0, {WINDOW_MS}, {STEP_MS}) AS moved(back) GROUP BY ALL
"""


def run(events: Path, out: Path) -> None:
    with duckdb.connect(str(out / "counts.db")) as database:
        database.execute(_COUNT, {"events": str(events)})


def rows(out: Path) -> Iterator[Row]:
    with duckdb.connect(str(out / "counts.db"), read_only=True) as database:
        yield from database.execute("SELECT start, userId, views FROM counts").fetchall()


if __name__ == "__main__":
    answer(run, rows)
