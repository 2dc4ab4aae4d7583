"""What a store holds depends on the rows that were merged, not on their order or their batches."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Count, Distinct, Maximum, Metric, Minimum, TopK, tables_of, tumbling
from rtcdp.store import TableChange
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker, rows_of

METRIC = Metric(
    name="reach",
    title="Reach",
    window=tumbling(minutes=1),
    key=("pageUrl",),
    measures=(
        Count("views"),
        Minimum("least"),
        Maximum("most"),
        Distinct("users", "userId"),
        TopK("top", "productId"),
    ),
)
BUCKETS, MEMBERS, ITEMS = tables_of(METRIC)
MEMBERS = replace(MEMBERS, capacity=3)
ITEMS = replace(ITEMS, capacity=4)

starts = st.sampled_from((-60_000, 0, 60_000))
pages = st.sampled_from(("/a", "/b"))
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)
bucket_rows = st.tuples(starts, pages, st.integers(0, 100), values, values)
member_rows = st.tuples(starts, pages, st.integers(-20, 20))
item_rows = st.tuples(starts, pages, st.sampled_from("abcdefgh"), st.integers(1, 9))


def one_row_per_key(table, rows):
    """What an engine does with a batch before it hands it over."""
    merged = [
        getattr(pl.col(column.name), "sum" if column.merge == "add" else column.merge)()
        for column in table.columns
    ]
    return rows_of(table, *rows).group_by(table.primary_key).agg(merged)


def dumps_after(batches):
    """The tables after each batch, of (table, row) pairs, was committed as an epoch."""
    epochs = EpochMaker()
    with TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "store.db")
        store.prepare([METRIC])
        for batch in batches:
            changes = [
                TableChange(table, one_row_per_key(table, [row for t, row in batch if t == table]))
                for table in (BUCKETS, MEMBERS, ITEMS)
            ]
            store.commit(epochs.make(*changes))
        dumped = [store.dump(table).rows() for table in (BUCKETS, MEMBERS, ITEMS)]
        store.close()
    return dumped


@st.composite
def histories(draw):
    """The same rows twice, in two orders and cut into batches in two ways."""
    rows = [(BUCKETS, row) for row in draw(st.lists(bucket_rows, max_size=12))]
    rows += [(MEMBERS, row) for row in draw(st.lists(member_rows, max_size=25))]
    rows += [(ITEMS, row) for row in draw(st.lists(item_rows, max_size=12))]

    def batches():
        order = draw(st.permutations(rows))
        cuts = sorted(draw(st.sets(st.integers(0, len(rows)), max_size=6)))
        edges = [0, *cuts, len(rows)]
        return [order[start:end] for start, end in pairwise(edges)]

    return batches(), batches()


@settings(max_examples=40)
@given(histories())
def test_order_and_batches_change_nothing(history):
    one, other = history
    assert dumps_after(one) == dumps_after(other)


@settings(max_examples=25)
@given(histories())
def test_the_store_agrees_with_a_merge_in_memory(history):
    batches, _ = history
    rows = reduce(list.__add__, (list(batch) for batch in batches), [])
    buckets, members, items = (
        one_row_per_key(table, [row for t, row in rows if t == table])
        for table in (BUCKETS, MEMBERS, ITEMS)
    )
    rank = pl.col("member").rank("ordinal").over("window_start", "pageUrl")
    expected = [
        frame.select(table.column_names).sort(table.primary_key).rows()
        for table, frame in (
            (BUCKETS, buckets),
            (MEMBERS, members.filter(rank <= MEMBERS.capacity)),
            (ITEMS, items),
        )
    ]
    assert dumps_after(batches) == expected
