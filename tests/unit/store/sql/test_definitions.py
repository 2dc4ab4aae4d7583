from dataclasses import replace

import polars as pl

from rtcdp.definitions import tables_of
from rtcdp.store.sql.definitions import apply_backfill, backfill_offsets, prepare_metrics
from rtcdp.store.sql.epoch import apply_epoch
from rtcdp.testing.epochs import EpochMaker, change

MADE = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 2, 1"


def made(connection):
    return connection.query(MADE, pl.Schema({"type": pl.String, "name": pl.String})).rows()


def test_a_changed_definition_leaves_nothing_of_the_old_one(connection, written_out, in_panes):
    prepare_metrics(connection, [written_out, in_panes])
    before = made(connection)
    other = replace(in_panes, name=written_out.name)
    prepare_metrics(connection, [other, in_panes])
    assert ("view", "sales") in made(connection)
    prepare_metrics(connection, [written_out, in_panes])
    assert made(connection) == before


def test_a_backfill_is_remembered_by_partition(connection, written_out):
    apply_epoch(connection, EpochMaker().make(), None)
    prepare_metrics(connection, [written_out])
    step = [change(tables_of(written_out)[1], (0, "/a", "ada", 1))]
    apply_backfill(connection, "sales", step, {0: 4, 2: 9}, complete=False, prepared=None)
    assert backfill_offsets(connection, "sales") == {0: 4, 2: 9}
    apply_backfill(connection, "sales", (), {0: 5}, complete=True, prepared=None)
    assert backfill_offsets(connection, "sales") is None
