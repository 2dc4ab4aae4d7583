from dataclasses import replace

import pytest

from rtcdp.definitions import Count, tables_of
from rtcdp.store import RowsRefused
from rtcdp.store.mongo.apply import (
    ROWS_AT_ONCE,
    UNCOUNTED,
    Aim,
    Row,
    check_sums,
    documents_of,
    insert_new,
    merge_rows,
    row_tasks,
    rows_of,
    uncounted_id,
)
from rtcdp.store.mongo.layout import LEDGER, Readable, layout_of
from rtcdp.store.mongo.plan import Plan, PlannedChange
from rtcdp.testing.epochs import rows_of as frame_of
from rtcdp.testing.epochs import uncounted_of


@pytest.fixture
def table(written_out):
    metric = replace(written_out, measures=(Count("events"),), key=("userId",))
    return tables_of(metric)[0]


@pytest.fixture
def layout(table):
    return layout_of(table)


@pytest.fixture
def sales(mongo_database, table):
    return mongo_database.collection(table.name)


def one(count, user="ada"):
    return {f"0:{user}": Row((0, user), (count,))}


def versions(collection, user="ada"):
    """A document's versions, newest first."""
    document = collection.find_one({"userId": user})
    return [[document["_revision"], document["events"]], *document.get("_before", ())]


def test_rows_are_inserted_and_then_merged(sales, layout):
    merge_rows(sales, layout, one(2), Aim(1, Readable(0)))
    merge_rows(sales, layout, one(3), Aim(2, Readable(1)))
    assert versions(sales) == [[2, 5], [1, 2]]


def test_a_revision_is_merged_once(sales, layout):
    for _ in range(2):
        merge_rows(sales, layout, one(2), Aim(1, Readable(0)))
        merge_rows(sales, layout, {**one(3), **one(7, "bob")}, Aim(2, Readable(1)))
    assert versions(sales) == [[2, 5], [1, 2]]
    assert versions(sales, "bob") == [[2, 7]]


def test_a_process_that_comes_late_changes_nothing(sales, layout):
    merge_rows(sales, layout, one(2), Aim(1, Readable(0)))
    as_it_was = documents_of(sales, layout, ["0:ada", "0:bob"])
    for revision in (2, 3):
        merge_rows(sales, layout, {**one(1), **one(1, "bob")}, Aim(revision, Readable(0)))
    merge_rows(sales, layout, {**one(1), **one(1, "bob")}, Aim(2, Readable(0)), as_it_was)
    assert versions(sales) == [[3, 4], [2, 3], [1, 2]]
    assert versions(sales, "bob") == [[3, 2], [2, 1]]


def test_a_row_of_an_old_definition_is_replaced(sales, layout):
    sales.insert_one({"_id": "0:ada", "old": 1, "_revision": 3, "_before": [[2, 9]]})
    merge_rows(sales, layout, one(2), Aim(5, Readable(4), since=4))
    assert versions(sales) == [[5, 2]]
    assert "old" not in sales.find_one()


def test_final_values_take_the_place_of_stored_ones(sales, layout):
    merge_rows(sales, layout, one(2), Aim(1, Readable(0)))
    merge_rows(sales, layout, {"0:ada": Row((0, "ada"), (7,), is_final=True)}, Aim(2, Readable(1)))
    assert versions(sales) == [[2, 7], [1, 2]]


def test_what_is_there_already_is_not_inserted_again(sales):
    assert insert_new(sales, []) == 0
    assert insert_new(sales, [{"_id": 1}]) == 0
    assert insert_new(sales, [{"_id": 1}, {"_id": 2}]) == 1
    assert sales.count_documents({}) == 2


def test_a_plan_is_carried_out_in_pieces_in_any_order_and_as_often_as_one_likes(
    mongo_database, sales, layout
):
    users = [f"u{number}" for number in range(2 * ROWS_AT_ONCE + 1)]
    plan = Plan(
        revision=1,
        readable=Readable(0),
        changes=(
            PlannedChange(layout.table, 0, frame_of(layout.table, *((0, u, 1) for u in users))),
        ),
        ledger=LEDGER.frame([(60_000, "s", 1, 1, 0, 0, 0, 0, 0)]),
        uncounted=uncounted_of({"offset": 3, "raw": b"\xff", "received_at": 5}),
    )
    tasks = list(row_tasks(mongo_database, plan))
    # Its rows, the ledger, the sums of its counts, and the uncounted record.
    assert len(tasks) == 3 + 1 + 1 + 1
    for task in [*reversed(tasks), *tasks]:
        task()
    assert sales.count_documents({"events": 1}) == len(users)
    assert mongo_database.collection(LEDGER.collection).find_one()["received"] == 1
    [record] = mongo_database.collection(UNCOUNTED).find()
    assert record["_id"] == uncounted_id(0, 3) == "0:3"
    assert (record["raw"], int(record["received_at"]), record["_revision"]) == (b"\xff", 5, 1)


def test_many_documents_are_read_in_several_queries(sales, layout):
    rows = {f"0:u{n}": Row((0, f"u{n}"), (n,)) for n in range(600)}
    merge_rows(sales, layout, rows, Aim(1, Readable(0)))
    found = documents_of(sales, layout, [*rows, "0:nobody"])
    assert {each: document["events"] for each, document in found.items()} == {
        each: row.values[0] for each, row in rows.items()
    }


def test_a_sum_beyond_64_bits_is_refused_before_anything_is_written(mongo_database, sales, layout):
    merge_rows(sales, layout, one(2**62), Aim(1, Readable(0)))
    for count, fits in ((2**62 - 1, True), (2**62, False), (-(2**63), True)):
        rows = frame_of(layout.table, (0, "ada", count), (0, "bob", 2**62))
        changes = [PlannedChange(layout.table, 0, rows)]
        if fits:
            check_sums(mongo_database, changes, revision=1)
        else:
            with pytest.raises(RowsRefused, match="64 bits"):
                check_sums(mongo_database, changes, revision=1)
    check_sums(mongo_database, [replace(changes[0], since=2)], revision=3)


def test_rows_are_known_by_their_place(table, layout):
    rows = rows_of(layout, frame_of(table, (60_000, "ada", 3)))
    assert rows == {"60000:ada": Row((60_000, "ada"), (3,))}
