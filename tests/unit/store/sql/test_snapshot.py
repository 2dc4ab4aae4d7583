import inspect

import polars as pl

from rtcdp.definitions import tables_of
from rtcdp.store import Progress, Scan, StoreSnapshot, UncountedScan
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.snapshot import EmptySnapshot, SqlSnapshot


def answers(snapshot, table):
    groups = pl.DataFrame({"window_start": [0], "pageUrl": ["/a"], "userId": ["ada"]})
    return (
        snapshot.progress,
        snapshot.scan(Scan(table)).schema,
        snapshot.members(table, groups).schema,
        snapshot.ledger(minute_from=0, after=(0, "a"), limit=3).schema,
        snapshot.ledger_totals(),
        snapshot.uncounted(UncountedScan()).schema,
        list(snapshot.spans(0, 1)),
    )


def test_a_store_that_is_not_there_answers_like_an_empty_one(connection, written_out):
    prepare_metrics(connection, [written_out])
    for table in tables_of(written_out):
        assert answers(EmptySnapshot(), table) == answers(SqlSnapshot(connection), table)
    assert EmptySnapshot().progress == Progress()


def test_both_snapshots_have_the_signatures_of_the_contract():
    for name in ("scan", "members", "ledger", "ledger_totals", "uncounted", "spans"):
        wanted = inspect.signature(getattr(StoreSnapshot, name))
        assert inspect.signature(getattr(SqlSnapshot, name)) == wanted
        assert inspect.signature(getattr(EmptySnapshot, name)) == wanted
