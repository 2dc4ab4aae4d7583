import polars as pl
import pytest

from rtcdp.definitions import tables_of
from rtcdp.store.rules import fitted
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.statements import frame_schema, one_row, overfull_groups, quote, upsert
from rtcdp.store.sqlite.connection import SQLITE
from rtcdp.testing.epochs import rows_of


def test_a_name_is_quoted_whatever_it_holds():
    assert quote('of"fset') == '"of""fset"'


def test_values_are_bound_with_their_types():
    assert one_row(1, "a", None).schema.dtypes() == [pl.Int64, pl.String, pl.String]


def test_a_table_has_typed_columns_in_stored_order(written_out):
    buckets, users, top = tables_of(written_out)
    assert list(frame_schema(buckets)) == list(buckets.column_names)
    assert frame_schema(buckets)["least"] == pl.Float64
    assert frame_schema(users)["member"] == pl.Int64
    assert frame_schema(top)["item"] == pl.String


def test_rows_that_fit_are_not_copied(written_out):
    _, users, _ = tables_of(written_out)
    rows = rows_of(users, (0, "/a", "ada", 1))
    assert fitted(rows, frame_schema(users)) is rows
    turned = rows.select(reversed(rows.columns)).cast({"member": pl.Int32})
    assert fitted(turned, frame_schema(users)).equals(rows)


def test_the_text_of_a_merge_is_made_once(written_out):
    table = tables_of(written_out)[0]
    assert upsert(SQLITE, table) is upsert(SQLITE, table)


@pytest.mark.parametrize(("item_count", "is_overfull"), [(20_000, False), (20_001, True)])
def test_a_group_is_overfull_beyond_twice_its_capacity(
    transaction, written_out, item_count, is_overfull
):
    prepare_metrics(transaction, [written_out])
    top = tables_of(written_out)[2]
    rows = rows_of(top, *((0, "/a", "ada", str(n), n + 1) for n in range(item_count)))
    transaction.run(upsert(SQLITE, top), rows)
    groups = rows_of(top, (0, "/a", "ada", "", 0)).drop("item", "item_count")
    schema = pl.Schema({**groups.schema, "item_count": pl.Int64()})
    found = transaction.query(overfull_groups(SQLITE, top), schema, groups)
    assert found["item_count"].to_list() == ([item_count - 10_000] if is_overfull else [])
