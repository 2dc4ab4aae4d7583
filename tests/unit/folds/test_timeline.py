"""The timeline gives back what was put in, in whichever batches, up to its limit."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.folds.timeline import (
    HOUR_MS,
    chunks_of,
    compacted,
    events_in,
    field_types,
    overflow_of,
    timeline_table,
)
from tests.stories import SCHEMA, batches, frame_of, stories

TABLE = timeline_table("timeline", "userId")
FIELDS = field_types([name for name in SCHEMA.names() if name != "userId"])
times = st.integers(0, 8).map(lambda n: n * HOUR_MS // 3)
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def stored(events, cuts, events_max):
    chunks = [
        chunks_of(frame_of(batch), TABLE, number, events_max)
        for number, batch in enumerate(batches(events, cuts), 1)
    ]
    return pl.concat(chunks)


def expected(events, events_max):
    told, not_told = [], {}
    for event in sorted(events, key=lambda e: (e["userId"], e["timestamp"], e["eventId"])):
        hour = (event["userId"], event["timestamp"] // HOUR_MS * HOUR_MS)
        not_told[hour] = not_told.get(hour, -events_max) + 1
        if not_told[hour] <= 0:
            told.append(event)
    return told, sorted((*hour, count) for hour, count in not_told.items() if count > 0)


@settings(max_examples=30, deadline=None)
@given(stories(times, ("PAGE_VIEW", "PURCHASE")), cut_sizes, st.integers(1, 4))
def test_what_is_told_of_an_hour_depends_on_the_events_alone(events, cuts, events_max):
    if not events:
        return
    rows = stored(events, cuts, events_max)
    told, not_told = expected(events, events_max)
    found = events_in(rows, TABLE, FIELDS, events_max).select(SCHEMA.names())
    assert found.rows(named=True) == told
    assert overflow_of(rows, TABLE, events_max).rows() == not_told


@settings(max_examples=30, deadline=None)
@given(stories(times, ("PAGE_VIEW", "PURCHASE")), cut_sizes, st.integers(1, 4))
def test_compaction_leaves_one_chunk_that_tells_the_same(events, cuts, events_max):
    if not events:
        return
    rows = stored(events, cuts, events_max)
    change = compacted(rows, TABLE, FIELDS, events_max)
    key = list(TABLE.primary_key)
    kept = rows.join(change.delete, on=key, how="anti")
    after = pl.concat([kept.join(change.replace, on=key, how="anti"), change.replace])
    assert not after.select(pl.struct("userId", "hour").is_duplicated().any()).item()
    told, not_told = expected(events, events_max)
    found = events_in(after, TABLE, FIELDS, events_max).select(SCHEMA.names())
    assert found.rows(named=True) == told
    assert overflow_of(after, TABLE, events_max).rows() == not_told
    # Events that come later are told as if there had been no compaction.
    more = pl.concat([after, chunks_of(frame_of(events[:3]), TABLE, 99, events_max)])
    before = pl.concat([rows, chunks_of(frame_of(events[:3]), TABLE, 99, events_max)])
    assert events_in(more, TABLE, FIELDS, events_max).equals(
        events_in(before, TABLE, FIELDS, events_max)
    )
