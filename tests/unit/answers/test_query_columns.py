"""Which numbers a query asks for."""

import pytest

from rtcdp.answers.query_columns import COLUMNS_MAX, columns_of
from rtcdp.definitions import Average, Count, Distinct, Metric, Sum, TopK, tumbling
from rtcdp.errors import BadRequest, NotThere

ORDERS = Metric("orders", "O", tumbling(hours=1), (Count("n"), Sum("total"), Average("mean")))
USERS = Metric("users", "U", tumbling(hours=1), (Distinct("users", "userId"),))
PAGES = Metric("pages", "P", tumbling(hours=1), (TopK("best", "pageUrl"),))
METRICS = (ORDERS, USERS, PAGES)


def names(*asked: str) -> list[str]:
    return [column.name for column in columns_of(METRICS, asked)]


def test_a_metric_alone_means_all_its_measures() -> None:
    assert names("orders") == ["orders.n", "orders.total", "orders.mean"]


def test_several_may_be_sent_or_stand_between_commas_and_each_is_there_once() -> None:
    assert names("orders.n, users", "orders.n") == ["orders.n", "users.users"]


def test_a_ratio_divides_one_number_by_another_of_any_metric() -> None:
    (column,) = columns_of(METRICS, ["orders.n/users"])
    assert (column.name, column.type, column.kind) == ("orders.n/users.users", "real", "ratio")
    assert column.says == "`orders.n` divided by `users.users`"


def test_a_column_says_what_it_is() -> None:
    (column,) = columns_of(METRICS, ["orders.n"])
    assert (column.type, column.kind, column.says) == ("integer", "count", "how many events")
    assert not columns_of(METRICS, ["pages.best"])[0].is_number


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ([], BadRequest, "doesn't say what to ask for"),
        ([" , "], BadRequest, "doesn't say what to ask for"),
        (["order"], NotThere, "no metric 'order'"),
        (["orders.total2"], NotThere, "no measure 'total2'"),
        (["orders/users"], BadRequest, "'orders' is not one number"),
        (["pages.best/users"], BadRequest, "'pages.best' is not one number"),
    ],
)
def test_what_is_no_column_is_refused(asked: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        columns_of(METRICS, asked)


def test_more_columns_than_a_table_holds_are_refused() -> None:
    measures = tuple(Count(f"n{number}") for number in range(COLUMNS_MAX + 1))
    with pytest.raises(BadRequest, match=f"{COLUMNS_MAX + 1} columns"):
        columns_of([Metric("many", "M", tumbling(hours=1), measures)], ["many"])
