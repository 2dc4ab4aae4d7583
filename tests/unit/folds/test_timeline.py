"""The timeline gives back what was put in, in whichever batches, up to its limit."""

from dataclasses import replace

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.clock import HOUR_MS
from rtcdp.definitions import Fold, Present, Property
from rtcdp.folds import timeline
from rtcdp.folds.sessions import Sessions
from rtcdp.folds.timeline import (
    chunks_of,
    compacted,
    events_in,
    field_types,
    full_hours,
    overflow_of,
    row_tables_of,
    standard_timeline,
    story_order,
    timeline_of,
    timeline_table,
    with_untold,
)
from tests.stories import SCHEMA, batches, event, frame_of, stories

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
    for one in sorted(events, key=lambda e: (e["userId"], e["timestamp"], e["eventId"])):
        hour = (one["userId"], one["timestamp"] // HOUR_MS * HOUR_MS)
        not_told[hour] = not_told.get(hour, -events_max) + 1
        if not_told[hour] <= 0:
            told.append({name: one.get(name) for name in SCHEMA})
    return told, sorted((*hour, count) for hour, count in not_told.items() if count > 0)


@settings(max_examples=30)
@given(stories(times, ("PAGE_VIEW", "PURCHASE")), cut_sizes, st.integers(1, 4))
def test_what_is_told_of_an_hour_depends_on_the_events_alone(events, cuts, events_max):
    if not events:
        return
    rows = stored(events, cuts, events_max)
    told, not_told = expected(events, events_max)
    found = events_in(rows, TABLE, FIELDS, events_max).select(SCHEMA.names())
    assert found.rows(named=True) == told
    assert overflow_of(rows, TABLE, events_max).rows() == not_told


@settings(max_examples=30)
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


anything = (
    st.none() | st.sampled_from(["", "\\", "\\N", "\\t", "\t", "\r\n", "\0"]) | st.text(max_size=8)
)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60)
@given(st.lists(st.tuples(anything, anything, numbers), min_size=1, max_size=5))
def test_every_text_and_number_is_told_as_it_was(told):
    events = [
        event(place, eventId=f"e{place}", pageUrl=page, sessionId=session, value=value)
        for place, (page, session, value) in enumerate(told)
    ]
    assert events_in(stored(events, [2], 10), TABLE, FIELDS).rows(named=True) == [
        {name: one[name] for name in ("userId", *FIELDS.names())} for one in events
    ]


def test_a_long_hour_is_told_in_parts_that_any_store_takes(monkeypatch):
    monkeypatch.setattr(timeline, "CHUNK_BYTES", 250)
    events = [event(n, eventId=f"e{n:02d}", pageUrl="/p" * 20) for n in range(40)]
    rows = stored([*events, event(HOUR_MS)], [41], 30)
    assert rows["events"].str.len_bytes().max() < 250 + 150
    assert rows.select("chunk").n_unique() > 5
    assert overflow_of(rows, TABLE, 30).rows() == [("ann", 0, 10)]
    assert events_in(rows, TABLE, FIELDS, 30)["eventId"].to_list()[:30] == [
        f"e{n:02d}" for n in range(30)
    ]
    again = stored([*events, event(HOUR_MS)], [1], 30)
    fewer = compacted(again, TABLE, FIELDS, 30).replace
    assert fewer.select("event_count").sum().item() == 40
    assert fewer["events"].to_list() == rows.filter(pl.col("hour") == 0)["events"].to_list()


def test_of_a_full_hour_later_events_are_only_counted():
    events = [event(n, eventId=f"e{n:02d}") for n in range(20)]
    (full,) = full_hours(frame_of(events), "userId", 10).rows()
    assert full == ("ann", 0, 9)
    assert full_hours(frame_of(events), "userId", 21).is_empty()
    late, beyond = frame_of(events[:1]), frame_of([*events[5:8], event(HOUR_MS)])
    rows = with_untold(chunks_of(late, TABLE, 2), beyond, TABLE, 2).sort("hour")
    assert rows["event_count"].to_list() == [4, 1]
    assert events_in(rows, TABLE, FIELDS)["eventId"].to_list() == ["e00"]


def test_folds_of_a_key_share_a_timeline_unless_they_ask_for_more():
    country = Present(Property("country"))
    plain = Fold("one", "", Sessions())
    more = Fold("two", "", Sessions(conversion=country))
    tables = [table.name for table in row_tables_of([plain, replace(plain, name="six"), more])]
    assert tables[:4] == ["one", "six", "two", "timeline__userid"]
    assert tables[4].startswith("timeline__userid__")
    assert timeline_of(plain).table == standard_timeline("userId").table


@given(stories(st.integers(0, 3), ["PAGE_VIEW", "PURCHASE"]))
def test_stories_are_told_in_one_order_whatever_came_first(events):
    spans = pl.DataFrame({"userId": ["ann", "bob"], "from": [1, 0]})
    told, numbers = story_order(frame_of(events), spans, "userId")
    wanted = [each for each in events if each["userId"] == "bob" or each["timestamp"] >= 1]
    wanted.sort(key=lambda each: (each["userId"], each["timestamp"], each["eventId"]))
    assert told["eventId"].to_list() == [each["eventId"] for each in wanted]
    assert numbers.tolist() == [["ann", "bob"].index(each["userId"]) for each in wanted]
