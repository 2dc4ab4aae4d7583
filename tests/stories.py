"""Users' stories for tests of folds: made-up events, and a store of rows that is a dictionary."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import polars as pl
from hypothesis import strategies as st

from rtcdp.definitions import Fold
from rtcdp.folds import kernel
from rtcdp.folds.kernel import EventsByKey, Folded, RowsByKey, fold_batch
from rtcdp.folds.row_cache import RowCache
from rtcdp.folds.rows import row_schema

Row = dict[str, object]
Times = st.SearchStrategy[int]
Stories = st.SearchStrategy[list[Row]]

SCHEMA = pl.Schema(
    {
        "eventId": pl.String(),
        "userId": pl.String(),
        "sessionId": pl.String(),
        "eventType": pl.String(),
        "productId": pl.String(),
        "pageUrl": pl.String(),
        "value": pl.Float64(),
        "timestamp": pl.Int64(),
        "property:recommendationId": pl.String(),
    }
)
"""What a fold may see of an event."""


def event(time: int, type_: str = "PAGE_VIEW", user: str = "ann", **fields: object) -> Row:
    """One event by hand."""
    return {
        **dict.fromkeys(SCHEMA),
        "timestamp": time,
        "eventType": type_,
        "userId": user,
        **fields,
    }


def stories(times: "st.SearchStrategy[int]", types: Sequence[str]) -> Stories:
    """Lists of events of a few users, with ties in time and missing fields; each id comes once."""
    one = st.fixed_dictionaries(
        {
            "userId": st.sampled_from(["ann", "bob"]),
            "sessionId": st.sampled_from([None, "s", "t"]),
            "eventType": st.sampled_from(types),
            "productId": st.sampled_from([None, "shoe", "sock"]),
            "pageUrl": st.sampled_from([None, "/", "/cart"]),
            "value": st.sampled_from([None, -0.5, 1.25, 3.0]),
            "timestamp": times,
        }
    )
    return st.lists(one, max_size=18).flatmap(_with_ids)


def _with_ids(events: list[Row]) -> Stories:
    ids = st.permutations(range(len(events)))
    return ids.map(
        lambda order: [{**e, "eventId": f"e{n:02d}"} for e, n in zip(events, order, strict=True)]
    )


def frame_of(events: Sequence[Row]) -> pl.DataFrame:
    """Events as the columns that a step takes."""
    return pl.DataFrame([{name: each.get(name) for name in SCHEMA} for each in events], SCHEMA)


def shop_events() -> pl.DataFrame:
    """The recorded clickstream of a shop, all of its 17,434 whole rows."""
    file = Path(__file__).parent / "recordings" / "rees46-2019-oct.csv.gz"
    table = pl.read_csv(gzip.decompress(file.read_bytes()), infer_schema=False)
    types = {"view": "PAGE_VIEW", "cart": "ADD_TO_CART", "purchase": "PURCHASE"}
    time = pl.col("event_time").str.to_datetime("%Y-%m-%d %H:%M:%S UTC", time_unit="ms")
    return table.filter(pl.col("user_session").is_not_null()).select(
        pl.format("{}", pl.int_range(pl.len())).alias("eventId"),
        pl.col("user_id").alias("userId"),
        pl.col("user_session").alias("sessionId"),
        pl.col("event_type").replace_strict(types).alias("eventType"),
        pl.col("product_id").alias("productId"),
        pl.format("/product/{}", "product_id").alias("pageUrl"),
        pl.col("price").cast(pl.Float64).alias("value"),
        time.dt.epoch("ms").alias("timestamp"),
    )


def batches(events: Sequence[Row], cuts: Sequence[int]) -> Iterator[Sequence[Row]]:
    """The events cut into batches of these sizes, again and again."""
    start = turn = 0
    while start < len(events):
        stop = start + cuts[turn % len(cuts)]
        yield events[start:stop]
        start, turn = stop, turn + 1


class RowsInMemory:
    """A store that is a dictionary by primary key, and a past that is a list."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.by_key: dict[tuple[object, ...], Row] = {}
        self.told: list[Row] = []

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        time = self.fold.step.order[0]
        span_of = {row[self.fold.key]: row for row in spans.iter_rows(named=True)}
        found = []
        for row in self.by_key.values():
            span = span_of.get(row[self.fold.key])
            if span is not None and span["from"] <= row[time] < span["to"]:
                found.append(row)
        return pl.DataFrame(found, row_schema(self.fold.columns), orient="row")

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        span_of = {row[self.fold.key]: row for row in spans.iter_rows(named=True)}
        found = []
        for row in self.told:
            span = span_of.get(row[self.fold.key])
            if span is not None and span["from"] <= row["timestamp"] < span["to"]:
                found.append(row)
        return frame_of(found)

    def folded(
        self,
        events: Sequence[Row],
        rows: RowsByKey | None = None,
        story: EventsByKey | None = None,
    ) -> Folded:
        """What the next batch changes; asking others than itself, if there are any."""
        self.told += events
        return fold_batch(self.fold, frame_of(events), rows or self, story or self)

    def commit(self, folded: Folded) -> None:
        """Apply a difference. A key that is deleted must be there; what is put must be new."""
        change, primary_key = folded.difference, self.fold.primary_key
        for row in change.delete.iter_rows(named=True):
            del self.by_key[tuple(row[name] for name in primary_key)]
        for row in change.replace.iter_rows(named=True):
            place = tuple(row[name] for name in primary_key)
            assert self.by_key.get(place) != row, "a row that did not change was written"
            self.by_key[place] = row


def told(
    fold: Fold,
    events: Sequence[Row],
    cuts: Sequence[int],
    forget_at: frozenset[int] = frozenset(),
) -> Mapping[tuple[object, ...], Row]:
    """The rows after all these events, batch by batch, through a small cache that is dropped at
    some batches, as a restarted engine's is."""
    store = RowsInMemory(fold)
    cache = RowCache(fold, store, rows_max=8)
    for number, batch in enumerate(batches(events, cuts)):
        if number in forget_at:
            cache.drop()
        # These stories are short; with whole hours, all of one would always be known.
        with patch.object(kernel, "ASKED_SLICE_MS", 7):
            folded = store.folded(batch, cache)
        store.commit(folded)
        cache.take(folded)
    return store.by_key
