from dataclasses import replace

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store.mongo import groups as mongo_groups
from rtcdp.store.mongo.groups import GROUPS, group_tasks, overfull_groups
from rtcdp.store.mongo.layout import Readable, layout_of
from rtcdp.store.mongo.plan import Plan, PlannedChange
from rtcdp.testing.epochs import rows_of

CAPACITY = 3


@pytest.fixture
def tables(written_out):
    _, users, top = tables_of(replace(written_out, key=("pageUrl",)))
    return replace(users, capacity=CAPACITY), replace(top, capacity=CAPACITY)


@pytest.fixture
def apply(mongo_database):
    """Carries out one revision of one table, twice, as after a crash."""

    def carry_out(table, revision, *rows, readable_from=None, since=0, times=2):
        oldest = revision - 1 if readable_from is None else readable_from
        changes = (PlannedChange(table, since, rows_of(table, *rows)),)
        for _ in range(times):
            for task in group_tasks(mongo_database, Plan(revision, Readable(oldest), changes)):
                task()

    return carry_out


@pytest.fixture
def users(tables):
    return tables[0]


@pytest.fixture
def top(tables):
    return tables[1]


@pytest.fixture
def group(mongo_database):
    def find(page="/a"):
        return mongo_database.collection(GROUPS).find_one({"pageUrl": page})

    return find


def held(database, table, revision=10**6, since=0):
    layout = layout_of(table)
    found = database.collection(table.name).find({}, layout.projection)
    return sorted(row[2:] for row in layout.rows_at(found, revision, since))


def members(*numbers):
    return [(0, "/a", number) for number in numbers]


def items(**counts):
    return [(0, "/a", name, count) for name, count in counts.items()]


def test_a_group_knows_its_size(apply, users, group):
    apply(users, 1, *members(1, 2), (0, "/b", 1))
    apply(users, 2, *members(2, 3))
    assert group()["size"] == 3
    assert group("/b")["size"] == 1
    assert group()["_id"] == "sales__users:0:/a"


def test_members_that_somebody_may_still_see_stay(apply, mongo_database, users, group):
    apply(users, 1, *members(5, 6, 7))
    apply(users, 2, *members(1, 2, 3, 4), readable_from=0)
    assert len(held(mongo_database, users)) == group()["size"] == 7
    assert held(mongo_database, users, revision=1) == [(5,), (6,), (7,)]
    assert overfull_groups(mongo_database, users, 1, 0) == {(0, "/a"): 7}
    assert overfull_groups(mongo_database, users, 2, 0) == {(0, "/a"): 3}


def test_members_that_nobody_can_see_any_more_go_and_do_not_come_back(
    apply, mongo_database, users, group
):
    apply(users, 1, *members(5, 6, 7, 8, 9))
    apply(users, 2, *members(1, 10))
    assert held(mongo_database, users) == [(1,), (5,), (6,), (7,)]
    assert (group()["size"], group()["bound"]) == (4, 7)
    apply(users, 3, *members(8, 9, 10, 4))
    assert held(mongo_database, users) == [(1,), (4,), (5,), (6,), (7,)]
    assert group()["size"] == 5


def test_a_group_within_its_bounds_is_not_overfull(apply, mongo_database, users):
    apply(users, 1, *members(5, 6, 7))
    assert overfull_groups(mongo_database, users, 1, 0) == {}


def test_items_are_merged_and_counted_once(apply, mongo_database, top, group):
    apply(top, 1, *items(a=1, b=2))
    apply(top, 2, *items(b=3, c=1))
    assert held(mongo_database, top) == [("a", 1), ("b", 5), ("c", 1)]
    assert group()["size"] == 3


def test_the_first_count_too_many_is_taken_off_all_items(apply, mongo_database, top, group):
    apply(top, 1, *items(a=9, b=7, c=5))
    apply(top, 2, *items(c=1, d=4, e=3, f=2, g=1))
    assert held(mongo_database, top) == [("a", 5), ("b", 3), ("c", 2)]
    assert (group()["size"], group()["spent_at"]) == (3, 2)
    assert held(mongo_database, top, revision=1) == [("a", 9), ("b", 7), ("c", 5)]


def test_what_is_left_with_nothing_goes_when_nobody_can_see_what_it_was(
    apply, mongo_database, top, group
):
    apply(top, 1, *items(a=9, b=7, c=5, d=1, e=1, f=1))
    apply(top, 2, *items(g=1))
    assert ("d", 0) in held(mongo_database, top)
    apply(top, 3, *items(a=1), readable_from=1)
    assert ("d", 0) in held(mongo_database, top)
    apply(top, 4, *items(d=5), readable_from=3)
    assert held(mongo_database, top) == [("a", 9), ("b", 6), ("c", 4), ("d", 5)]
    assert (group()["size"], group()["spent_at"]) == (4, None)


def test_an_item_that_comes_back_begins_from_nothing(apply, mongo_database, top, group):
    apply(top, 1, *items(a=9, b=7, c=5, d=1, e=1, f=1))
    apply(top, 2, *items(g=1))
    apply(top, 3, *items(e=2), readable_from=1)
    assert ("e", 2) in held(mongo_database, top)
    assert group()["size"] == 4


def test_a_group_of_an_old_definition_is_not_there(apply, mongo_database, users, top):
    apply(users, 1, *members(1, 2, 3, 4))
    apply(top, 1, *items(a=1))
    apply(users, 3, *members(5), since=2)
    apply(top, 3, *items(a=4), since=2)
    assert held(mongo_database, users, since=2) == [(5,)]
    assert held(mongo_database, top, since=2) == [("a", 4)]
    assert [document["size"] for document in mongo_database.collection(GROUPS).find()] == [1, 1]
    assert overfull_groups(mongo_database, users, 3, 2) == {}


def test_an_interrupted_table_is_taken_up_again(apply, mongo_database, users, top, monkeypatch):
    apply(users, 1, *members(5, 6, 7, 8, 9))
    apply(top, 1, *items(a=9, b=7, c=5, d=1, e=1, f=1))
    with monkeypatch.context() as interrupted:
        interrupted.setattr(mongo_groups._Bounded, "_write_groups", lambda *_: 1 / 0)
        for table, rows in ((users, members(1, 10)), (top, items(g=1))):
            with pytest.raises(ZeroDivisionError):
                apply(table, 2, *rows, times=1)
    apply(users, 2, *members(1, 10))
    apply(top, 2, *items(g=1))
    assert held(mongo_database, users) == [(1,), (5,), (6,), (7,)]
    assert [row for row in held(mongo_database, top) if row[1] > 0] == [
        ("a", 8),
        ("b", 6),
        ("c", 4),
    ]
    sizes = {group["table"]: group["size"] for group in mongo_database.collection(GROUPS).find()}
    assert sizes == {"sales__users": 4, "sales__top": 3}
