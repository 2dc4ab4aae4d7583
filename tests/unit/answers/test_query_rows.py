"""Groups in their order, the others in one row, and values where nothing happened."""

import polars as pl
import pytest

from rtcdp.answers import query_rows
from rtcdp.answers.query_columns import columns_of
from rtcdp.answers.query_rows import OTHER, Order, Parts, Rows, rows_of
from rtcdp.answers.rollup import Rollup
from rtcdp.definitions import (
    BUCKET_START,
    DISTINCT_EXACT_UP_TO,
    Average,
    Count,
    Distinct,
    Metric,
    tables_of,
    tumbling,
)
from rtcdp.errors import BadRequest

VIEWS = Metric("views", "V", tumbling(hours=1), (Count("n"), Average("mean")), ("userId",))
BUYS = Metric("buys", "B", tumbling(hours=1), (Count("n"),), ("userId",))
USERS = Metric("users", "U", tumbling(hours=1), (Distinct("users", "userId"),))


def rollup(metric: Metric, **counts: int) -> Rollup:
    """At time 0, so many events of each user."""
    table = tables_of(metric)[0]
    zeros = [pl.lit(0).alias(each.name) for each in table.columns if each.name != "n"]
    columns = pl.DataFrame(
        {BUCKET_START: [0] * len(counts), "userId": list(counts), "n": list(counts.values())}
    ).with_columns(zeros)
    return Rollup((BUCKET_START, "userId"), table, columns, {}, {})


PARTS = Parts(
    {"views": VIEWS, "buys": BUYS},
    {"views": rollup(VIEWS, ada=5, bob=7, eve=5), "buys": rollup(BUYS, eve=1, kim=9)},
    ("userId",),
)
COLUMNS = columns_of([VIEWS, BUYS], ["views.n", "buys.n", "buys.n/views.n"])


def shown(found: Rows) -> list[tuple[str, ...]]:
    users = [
        "…" if is_other else user
        for user, is_other in found.index.select("userId", OTHER).iter_rows()
    ]
    return list(zip(users, *found.values.values(), strict=True))


def test_the_largest_come_first_and_equal_ones_by_their_key() -> None:
    found = rows_of(PARTS, COLUMNS, Order(COLUMNS[0]), 10, None)
    assert shown(found) == [
        ("bob", 7, 0, 0.0),
        ("ada", 5, 0, 0.0),
        ("eve", 5, 1, 0.2),
        ("kim", 0, 9, None),
    ]
    assert (found.group_count, found.other_count) == (4, 0)


def test_all_beyond_the_limit_are_one_row_at_the_end() -> None:
    found = rows_of(PARTS, COLUMNS, Order(COLUMNS[1]), 1, None)
    assert shown(found) == [("kim", 0, 9, None), ("…", 17, 1, 1 / 17)]
    assert (found.group_count, found.other_count) == (4, 3)


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (Order(COLUMNS[1], descending=False), "ada"),
        (Order(key_field="userId"), "kim"),
        (Order(key_field="userId", descending=False), "ada"),
        (Order(descending=False), "ada"),
        (Order(COLUMNS[2]), "eve"),
    ],
)
def test_groups_may_be_ranked_otherwise(order: Order, first: str) -> None:
    assert shown(rows_of(PARTS, COLUMNS, order, 10, None))[0][0] == first


def test_filled_rows_say_of_nothing_what_each_measure_says_of_it() -> None:
    columns = columns_of([VIEWS], ["views"])
    parts = Parts({"views": VIEWS}, {"views": rollup(VIEWS, ada=1)}, ("userId",))
    found = rows_of(parts, columns, Order(columns[0]), 10, [0, 3_600_000])
    assert found.index[BUCKET_START].to_list() == [0, 3_600_000]
    assert shown(found)[1] == ("ada", 0, None)
    turned = rows_of(parts, columns, Order(columns[0], newest_first=True), 10, [0, 3_600_000])
    assert turned.index[BUCKET_START].to_list() == [3_600_000, 0]


def test_others_are_filled_too() -> None:
    found = rows_of(PARTS, COLUMNS, Order(COLUMNS[0]), 1, [0, 3_600_000])
    assert [row[0] for row in shown(found)] == ["bob", "…", "bob", "…"]


def test_more_rows_than_are_sent_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_rows, "ROWS_MAX", 3)
    with pytest.raises(BadRequest, match="4 rows"):
        rows_of(PARTS, COLUMNS, Order(COLUMNS[0]), 10, None)
    with pytest.raises(BadRequest, match="400 rows"):
        rows_of(PARTS, COLUMNS, Order(COLUMNS[0]), 1, list(range(200)))


@pytest.mark.parametrize(("users", "is_estimate"), [(8_191, False), (DISTINCT_EXACT_UP_TO, True)])
def test_a_distinct_count_says_when_it_is_an_estimate(users: int, is_estimate: bool) -> None:
    buckets, side = tables_of(USERS)
    members = pl.DataFrame({BUCKET_START: 0, "member": range(-(2**62), -(2**62) + users)})
    one = Rollup(
        (BUCKET_START,),
        buckets,
        pl.DataFrame({BUCKET_START: [0]}),
        {"users": members.with_columns(pl.col(BUCKET_START).cast(pl.Int64))},
        {"users": side},
    )
    columns = columns_of([USERS], ["users"])
    found = rows_of(
        Parts({"users": USERS}, {"users": one}, ()), columns, Order(columns[0]), 1, None
    )
    assert found.estimated["users.users"] == [is_estimate]
