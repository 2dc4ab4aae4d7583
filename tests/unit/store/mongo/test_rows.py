from dataclasses import replace

import polars as pl
import pytest

from rtcdp.store.checksums import joined, numbers_of
from rtcdp.store.mongo.layout import (
    BEFORE,
    CHECKSUMS,
    GONE_AT,
    REVISION,
    Readable,
    layout_of_rows,
)
from rtcdp.store.mongo.plan import Plan, PlannedRows
from rtcdp.store.mongo.rows import GONE_KEPT_MS, RowsOfPlan, group_conditions, page_walk
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

ADA, BOB = ("ada", 1, 0.5, "/a", b"x"), ("bob", 1, None, None, None)
LAYOUT = layout_of_rows(VISITS)


def plan(revision, delete=(), put=(), at=0, oldest=None):
    changes = row_changes(VISITS, delete, put)
    rows = PlannedRows(VISITS, 0, changes.delete, changes.replace)
    readable = Readable(revision - 1 if oldest is None else oldest)
    return Plan(revision, readable, rows=(rows,), at=at)


@pytest.fixture
def carry_out(mongo_database):
    def run(made, *, until_sums=False):
        work = RowsOfPlan(mongo_database, made, made.rows[0])
        for task in work.tasks():
            task()
        if not until_sums:
            work.finish()

    return run


@pytest.fixture
def at(mongo_database):
    """The rows at a revision."""

    def rows_at(revision):
        documents = mongo_database.collection("visits").find({}, LAYOUT.projection)
        return sorted(LAYOUT.frame(list(LAYOUT.rows_at(documents, revision))).rows())

    return rows_at


@pytest.fixture
def the_sum(mongo_database):
    def read():
        found = mongo_database.collection(CHECKSUMS.collection).find({}, CHECKSUMS.projection)
        sums = CHECKSUMS.frame(list(CHECKSUMS.rows_at(found, 100)))
        return sum(joined(*row) for row in sums.select("low", "high").rows()) % 2**64

    return read


def sum_of(*rows):
    numbers = numbers_of(VISITS, row_changes(VISITS, put=rows).replace)
    return int(numbers.sum())


def test_each_revision_has_its_rows(carry_out, at, the_sum):
    carry_out(plan(1, put=[ADA, BOB]))
    later = (*ADA[:2], None, "", b"")
    carry_out(plan(2, put=[later], delete=[BOB[:2]], oldest=1))
    carry_out(plan(3, put=[BOB], oldest=1))
    assert [at(revision) for revision in range(4)] == [[], [ADA, BOB], [later], [later, BOB]]
    assert the_sum() == sum_of(later, BOB)


def test_a_plan_that_is_carried_out_again_changes_nothing(carry_out, at, the_sum, mongo_database):
    carry_out(plan(1, put=[ADA]))
    second = plan(2, delete=[ADA[:2]], put=[BOB])
    carry_out(second, until_sums=True)
    carry_out(second)
    once = list(mongo_database.collection("visits").find())
    carry_out(second)
    assert list(mongo_database.collection("visits").find()) == once
    assert (at(1), at(2)) == ([ADA], [BOB])
    assert the_sum() == sum_of(BOB)


def test_a_row_that_is_not_there_is_not_deleted(carry_out, mongo_database):
    carry_out(plan(1, delete=[ADA[:2]]))
    assert list(mongo_database.collection("visits").find()) == []
    carry_out(plan(2, put=[ADA]))
    carry_out(plan(3, delete=[ADA[:2]]))
    gone = mongo_database.collection("visits").find_one()
    carry_out(plan(4, delete=[ADA[:2]]))
    assert mongo_database.collection("visits").find_one() == gone


def test_a_deleted_row_leaves_a_mark_for_an_hour(carry_out, mongo_database):
    rows = mongo_database.collection("visits")
    carry_out(plan(1, put=[ADA]))
    carry_out(plan(2, delete=[ADA[:2]], at=5))
    [mark] = rows.find()
    assert mark.keys() == {"_id", "userId", "start", REVISION, BEFORE, GONE_AT}
    # A process that was paused in the midst of the first plan puts nothing back.
    carry_out(plan(1, put=[ADA]), until_sums=True)
    assert rows.find_one() == mark
    carry_out(plan(3, delete=[BOB[:2]], at=5 + GONE_KEPT_MS))
    assert rows.find_one() == mark
    carry_out(plan(4, delete=[BOB[:2]], at=6 + GONE_KEPT_MS, oldest=1))
    assert rows.find_one() == mark
    carry_out(plan(5, delete=[BOB[:2]], at=6 + GONE_KEPT_MS))
    assert rows.find_one() is None


def test_rows_of_another_definition_are_not_there(carry_out, at, mongo_database):
    carry_out(plan(1, put=[ADA]))
    made = plan(3, put=[(*ADA[:2], None, None, None)], delete=[BOB[:2]])
    other = replace(made, rows=(replace(made.rows[0], since=2),))
    carry_out(other)
    assert BEFORE not in mongo_database.collection("visits").find_one()
    assert (at(1), at(3)) == ([], [(*ADA[:2], None, None, None)])


def test_groups_are_asked_for_by_the_dozen(carry_out, mongo_database):
    carry_out(plan(1, put=[ADA, BOB]))
    many = pl.DataFrame({"userId": [f"u{n}" for n in range(300)]})
    assert [len(each["userId"]["$in"]) for each in group_conditions(VISITS, many)] == [125, 125, 50]
    ranges = pl.DataFrame({"userId": ["ada", "bob"], "from": [0, 2], "to": [2, 9]})
    [condition] = group_conditions(VISITS, ranges)
    found = mongo_database.collection("visits").find(condition)
    assert [document["userId"] for document in found] == ["ada"]


def test_a_page_begins_after_a_key():
    assert page_walk(VISITS, None).conditions == ({},)
    inside, beyond = page_walk(VISITS, ("ada", 1)).conditions
    assert inside["userId"] == "ada"
    assert beyond == {"userId": {"$gt": "ada"}}
