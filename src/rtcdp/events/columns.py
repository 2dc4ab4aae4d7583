"""From verified lines to columns.

Only for lines that `rtcdp.events.codec` accepted: for those, the columns hold the very values that
`codec.decode` gives, by whichever of two ways is the shorter one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.events import calendar, measured  # noqa: F401 - what they derive is known from then on
from rtcdp.events.codec import parse_timestamp_ms, pieces
from rtcdp.events.derived import Batch, derived
from rtcdp.events.event import CustomerActivityEvent

EVENT_SCHEMA: dict[str, pl.DataType] = {
    "eventId": pl.String(),
    "userId": pl.String(),
    "sessionId": pl.String(),
    "eventType": pl.String(),
    "productId": pl.String(),
    "pageUrl": pl.String(),
    "value": pl.Float64(),
}
"""The fields that can be asked for, besides `timestamp` (int64, UTC ms), which is always there."""

_FEW_LINES, _FEW_FIELDS = 1_000, 4
"""Up to so many lines, and up to so many fields of any, are read sooner by way of objects."""

_FEW_TIMES = 50
"""So many different ones are read one by one in the time that reading many together takes."""

_FEW_BYTES = 2**18
"""Lines that are no longer together are split before the parser for many has started."""

_LINE_SEPARATOR = "\x01"  # JSON text never holds a raw control character
_BEFORE_ID = ('{"eventId":"', '{"eventId": "')
_PLAIN_INSTANT = np.frombuffer(b"0000-00-00T00:00:00.000Z", np.uint8)


def decode_lines(lines: bytes, line_count: int, fields: Sequence[str]) -> pl.DataFrame:
    """Decode NDJSON of verified events.

    `lines` holds `line_count` events, one a line; `fields` are names of `EVENT_SCHEMA` and columns
    of what is derived from it. Returns one row a line with the columns `fields` and `timestamp`
    (int64, UTC ms).
    """
    made = {name: found for name in fields if (found := derived(name)) is not None}
    if not made:
        return _decode_fields(lines, line_count, fields)
    needed = [name for name in fields if name not in made]
    needed += [name for each in made.values() for name in each.fields if name in EVENT_SCHEMA]
    frame = _decode_fields(lines, line_count, tuple(dict.fromkeys(needed)))
    batch = Batch(frame, lru_cache(lambda key: _under(lines, key)))
    columns = [batch.column(name).alias(name) for name in made]
    return frame.with_columns(columns).select(*fields, "timestamp")


def column_type(column: str) -> pl.DataType:
    """The type of a column that can be asked for."""
    found = derived(column)
    return EVENT_SCHEMA[column] if found is None else _TYPES[found.type]


_TYPES = {"text": pl.String(), "real": pl.Float64(), "integer": pl.Int64()}


def _decode_fields(lines: bytes, line_count: int, fields: Sequence[str]) -> pl.DataFrame:
    frame = None
    if line_count > _FEW_LINES and len(fields) > _FEW_FIELDS:
        frame = _read_together(lines, line_count, fields)
    if frame is None:
        frame = _read_in_turn(lines, fields)
    if frame.height != line_count:
        raise AssertionError(f"{frame.height} events stand on {line_count} lines of the log")
    if "value" not in fields:
        return frame
    # The sign of zero would make minima depend on the order of events. Polars leaves out the
    # addition of zero, which would take it away.
    unsigned = pl.when(pl.col("value") == 0).then(0.0).otherwise(pl.col("value"))
    return frame.with_columns(unsigned.alias("value"))


def _read_together(lines: bytes, line_count: int, fields: Sequence[str]) -> pl.DataFrame | None:
    """The fields and the timestamp, by a parser that makes columns of text; None where it
    stumbles."""
    schema = {name: EVENT_SCHEMA[name] for name in fields}
    try:
        frame = pl.read_ndjson(lines, schema={**schema, "timestamp": pl.String()})
    except pl.exceptions.ComputeError:
        return None
    if frame.height != line_count:
        return None
    return frame.with_columns(_instants(frame["timestamp"]).alias("timestamp"))


def _read_in_turn(lines: bytes, fields: Sequence[str]) -> pl.DataFrame:
    """The same by way of objects, some lines at a time, so that these stay in the processor's
    cache, and are gone before the next ones come."""
    decode = _decoder_of(tuple(fields)).decode_lines
    columns: dict[str, list[pl.Series]] = {name: [] for name in fields}
    times: list[str | list[str | int]] = []
    for piece in pieces(lines):
        events = decode(piece)
        for name, found in columns.items():
            found.append(pl.Series(name, _READERS[name](events), dtype=EVENT_SCHEMA[name]))
        times.append(_together([event.timestamp for event in events]))
    every = [found[0] if len(found) == 1 else pl.concat(found) for found in columns.values()]
    return pl.DataFrame([*every, pl.Series("timestamp", _instants_in(times))])


def _together(times: list[str | int]) -> str | list[str | int]:
    """Timestamps in one text where each has the length of a plain one."""
    try:
        is_alike = set(map(len, times)) == {len(_PLAIN_INSTANT)}  # type: ignore[arg-type]
    except TypeError:  # some are integers
        return times
    return "".join(times) if is_alike else times  # type: ignore[arg-type]


def _instants_in(pieces_of_times: Sequence[str | list[str | int]]) -> npt.NDArray[np.int64]:
    """UTC ms of timestamps as `_together` gives them."""
    texts = [each for each in pieces_of_times if isinstance(each, str)]
    if len(texts) < len(pieces_of_times):
        found = [
            _instants_in([each]) if isinstance(each, str) else _read_each(each)
            for each in pieces_of_times
        ]
        return np.concatenate(found)
    together, length = "".join(texts), len(_PLAIN_INSTANT)
    if len(together) > _FEW_TIMES * length:
        instants, is_plain = _plain_instants(_characters_of(together))
        if is_plain.all():
            return instants
    return _read_each([together[at : at + length] for at in range(0, len(together), length)])


def _read_each(times: Sequence[str | int]) -> npt.NDArray[np.int64]:
    parsed = {time: parse_timestamp_ms(time) for time in set(times) if isinstance(time, str)}
    instants = [time if isinstance(time, int) else parsed[time] for time in times]
    return np.array(instants, np.int64)


def _characters_of(texts: str) -> npt.NDArray[np.uint8]:
    """ASCII texts of the length of a plain instant, a row each."""
    return np.frombuffer(texts.encode("ascii"), np.uint8).reshape(-1, len(_PLAIN_INSTANT))


_READERS: Mapping[str, Callable[[Sequence[Any]], list[Any]]] = {
    "eventId": lambda events: [event.eventId for event in events],
    "userId": lambda events: [event.userId for event in events],
    "sessionId": lambda events: [event.sessionId for event in events],
    "eventType": lambda events: [event.eventType for event in events],
    "productId": lambda events: [event.productId for event in events],
    "pageUrl": lambda events: [event.pageUrl for event in events],
    "value": lambda events: [event.value for event in events],
}
"""What events have in a field. Written out, for to look an attribute up by name takes twice as
long."""


@lru_cache(maxsize=256)
def _decoder_of(fields: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Of lines, what stands in these fields and when they happened; the rest is passed over."""
    types = {"value": float | None}
    asked = [(name, types.get(name, str | None), None) for name in fields]
    line = msgspec.defstruct("Line", [("timestamp", str | int), *asked], gc=False)
    return msgspec.json.Decoder(line)


def event_ids(lines: bytes, split: pl.Series) -> pl.Series:
    """The `eventId` of each of the NDJSON lines of verified events, null where there is none, as
    `decode_lines` gives it, and nothing else of them. `split` are the same lines, one a row.

    Where each line begins with its id and nothing is escaped, that is the text up to the next
    quotation mark, in a fifth of the time: an accepted event has no field twice.
    """
    before = next((each for each in _BEFORE_ID if split.str.starts_with(each).all()), None)
    if before is not None and b"\\" not in lines:
        rest = split.str.slice(len(before)).alias("eventId")
        ends = rest.str.find('"', literal=True)
        if ends.min() == ends.max():
            # Those of most sources are all of one length, which is cut off in half the time.
            return rest.cast(pl.Binary).bin.head(int(ends[0])).cast(pl.String)
        return rest.str.split_exact('"', 1).struct.field("field_0").alias("eventId")
    return decode_lines(lines, len(split), ("eventId",))["eventId"]


def line_hashes(split: pl.Series) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of the bytes of each of these lines; equal only within one process."""
    return split.hash().to_numpy()


def split_lines(lines: bytes) -> pl.Series:
    """The lines as a string column."""
    if len(lines) < _FEW_BYTES:
        return pl.Series("line", lines.decode().split("\n")[:-1], dtype=pl.String)
    frame = pl.read_csv(
        lines,
        has_header=False,
        separator=_LINE_SEPARATOR,
        quote_char=None,
        schema={"line": pl.String},
    )
    return frame["line"]


def from_event(event: CustomerActivityEvent) -> dict[str, object]:
    """One event as a row of all fields, `properties` as JSON text."""
    return {
        "eventId": event.event_id,
        "userId": event.user_id,
        "sessionId": event.session_id,
        "eventType": event.event_type,
        "productId": event.product_id,
        "pageUrl": event.page_url,
        "value": event.value,
        "properties": event.properties,
        "timestamp": event.timestamp_ms,
    }


def row_of(event: Mapping[str, object], columns: Iterable[str]) -> dict[str, object]:
    """The columns of one event, given as its fields."""
    made = {name: derived(name) for name in columns}
    return {
        name: event[name] if found is None else found.of_event(event)
        for name, found in made.items()
    }


def _under(lines: bytes, key: str) -> list[object]:
    """What each event has under a key of its properties."""
    return [
        None if line.properties is None else line.properties.wanted
        for line in _decoder_under(key).decode_lines(lines)
    ]


@lru_cache(maxsize=256)
def _decoder_under(key: str) -> msgspec.json.Decoder[Any]:
    properties = msgspec.defstruct(
        "Properties", [("wanted", Any, None)], rename={"wanted": key}, gc=False
    )
    line = msgspec.defstruct("Line", [("properties", properties | None, None)], gc=False)
    return msgspec.json.Decoder(line)


def _instants(texts: pl.Series) -> pl.Series:
    """UTC ms of timestamps, which come as digits (they were integers) or as ISO-8601 text."""
    if texts.str.len_bytes().eq(len(_PLAIN_INSTANT)).all():
        instants, is_plain = _plain_instants(_characters_of(texts.str.join("")[0]))
        if is_plain.all():
            return pl.Series(instants)
    milliseconds = texts.cast(pl.Int64, strict=False)
    is_text = milliseconds.is_null()
    if not is_text.any():
        return milliseconds
    distinct = texts.filter(is_text).unique()
    parsed = pl.Series([parse_timestamp_ms(text) for text in distinct], dtype=pl.Int64)
    return milliseconds.fill_null(texts.replace_strict(distinct, parsed, default=None))


def _plain_instants(
    characters: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read `YYYY-MM-DDTHH:MM:SS.mmmZ`, one row of characters each; also tells which rows fit."""
    places = np.ascontiguousarray(characters.T)
    is_plain = np.ones(len(characters), np.bool_)
    for place, pattern in zip(places, _PLAIN_INSTANT, strict=True):
        is_plain &= (place - ord("0") <= 9) if pattern == ord("0") else place == pattern

    def number(start: int, stop: int) -> npt.NDArray[np.int32]:
        total: npt.NDArray[np.int32] = places[start].astype(np.int32) - ord("0")
        for place in places[start + 1 : stop]:
            total = total * 10 + (place - ord("0"))
        return total

    if (places[:10] == places[:10, :1]).all():
        days = _days_since_1970(number(0, 4)[:1], number(5, 7)[:1], number(8, 10)[:1])
    else:
        days = _days_since_1970(number(0, 4), number(5, 7), number(8, 10))
    seconds = (number(11, 13) * 60 + number(14, 16)) * 60 + number(17, 19)
    return days.astype(np.int64) * 86_400_000 + (seconds * 1000 + number(20, 23)), is_plain


def _days_since_1970(
    year: npt.NDArray[np.int32], month: npt.NDArray[np.int32], day: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Days of the proleptic Gregorian calendar, counted in years that begin in March, so that the
    leap day comes last (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms)."""
    march_year = year - (month <= 2)
    year_of_era = march_year % 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return (march_year // 400) * 146_097 + day_of_era - 719_468
