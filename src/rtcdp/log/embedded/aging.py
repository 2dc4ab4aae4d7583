"""What the embedded log has let go of by the type of events: marks in the table `about`, each of
which only ever moves forward."""

import sqlite3

from rtcdp.log.aged import Aged
from rtcdp.log.embedded.file import transaction

_UNTIL, _DONE = "aged until ", "aged, done until "
_DONE_OFFSET, _STORIES_FROM = "aged, done before offset", "aged, stories from"
_COUNTED_OFFSET = "aged, counted before offset"

_SET = (
    "INSERT INTO about VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET number = max(number, excluded.number)"
)


def read_aged(connection: sqlite3.Connection) -> Aged:
    """What the marks say."""
    rows = connection.execute("SELECT name, number FROM about WHERE name LIKE 'aged%'").fetchall()
    marks = {bytes(name).decode(): int(number) for name, number in rows}
    return Aged(
        until=_by_type(marks, _UNTIL),
        done=_by_type(marks, _DONE),
        done_offset=marks.get(_DONE_OFFSET, 0),
        counted_offset=marks.get(_COUNTED_OFFSET, 0),
        stories_from=marks.get(_STORIES_FROM),
    )


def write_aged(connection: sqlite3.Connection, aged: Aged) -> None:
    """Move the marks forward. The caller holds the write turn."""
    marks = {f"{_UNTIL}{name}": until for name, until in aged.until.items()}
    marks |= {f"{_DONE}{name}": until for name, until in aged.done.items()}
    marks[_DONE_OFFSET], marks[_COUNTED_OFFSET] = aged.done_offset, aged.counted_offset
    if aged.stories_from is not None:
        marks[_STORIES_FROM] = aged.stories_from
    with transaction(connection, "IMMEDIATE"):
        connection.executemany(_SET, sorted(marks.items()))


def _by_type(marks: dict[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): number
        for name, number in marks.items()
        if name.startswith(prefix)
    }
