import pytest

from rtcdp.answers.joins import JoinRowsQuestion, join_events, join_page
from rtcdp.errors import BadRequest, NotThere
from tests.stories import event
from tests.told import DAY, HOUR, START, carts

NAME = "cart_outcomes"
NOW = START + 3 * DAY


def rows_of(read, **asked):
    return join_page(read, NAME, JoinRowsQuestion(**asked))


def test_each_cart_has_one_outcome_newest_first(carts_told):
    items = rows_of(carts_told).items
    assert [(item["userId"], item["outcome"], item["open"]) for item in items] == [
        ("eve", "waiting", True),
        ("bob", "converted", False),
        ("a/b~c", "abandoned", False),
        ("ada", "abandoned", False),
        ("ada", "converted", False),
    ]
    assert items[1]["took_ms"] == HOUR
    assert (items[4]["left_value"], items[4]["right_value"]) == (10.1, 9.0)


@pytest.mark.parametrize(
    ("asked", "users"),
    [
        ({"outcome": "converted"}, ["bob", "ada"]),
        ({"outcome": "abandoned"}, ["a/b~c", "ada"]),
        ({"outcome": "waiting"}, ["eve"]),
        ({"outcome": "waiting", "state": "final"}, []),
        ({"outcome": "abandoned", "equals": {"userId": ("ada", "eve")}}, ["ada"]),
        ({"outcome": "converted", "start_from": START + DAY}, ["bob"]),
    ],
    ids=str,
)
def test_they_are_chosen_by_outcome(carts_told, asked, users):
    assert [item["userId"] for item in rows_of(carts_told, **asked).items] == users


def test_pages_of_one_outcome_tell_each_once(carts_told):
    seen, cursor = [], None
    for _ in range(4):
        page = rows_of(carts_told, outcome="abandoned", limit=1, cursor=cursor)
        seen += [item["userId"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["a/b~c", "ada"]


def test_an_unknown_outcome_is_told_the_known_ones(carts_told):
    with pytest.raises(BadRequest) as refused:
        rows_of(carts_told, outcome="converte")
    assert refused.value.hint == ("did you mean converted? send converted, abandoned or waiting")
    with pytest.raises(NotThere):
        join_page(carts_told, "sessions", JoinRowsQuestion())


def test_a_late_purchase_corrects_what_was_abandoned(make_teller):
    teller = make_teller()
    teller.tell(carts(), NOW, [3])
    late = event(START + 3 * HOUR, "PURCHASE", "ada", eventId="e9", productId="kite", value=1.0)
    teller.tell([late], NOW)
    read = teller.installation(NOW, allowed_lateness_ms=HOUR)
    assert [item["userId"] for item in rows_of(read, outcome="abandoned").items] == ["a/b~c"]


def test_the_two_events_behind_a_row(carts_told):
    items = rows_of(carts_told).items
    found = join_events(carts_told, NAME, items[1]["id"])
    assert (found.left["eventId"], found.right["eventId"]) == ("e5", "e6")
    assert found.row == items[1]
    alone = join_events(carts_told, NAME, items[2]["id"])
    assert (alone.left["eventId"], alone.right) == ("e4", None)
    assert items[2]["id"] == f"{START + 2 * HOUR}~la-tmp--~0~a/b~c"


@pytest.mark.parametrize("row_id", ["kite", f"{START}~kite~0~nobody", f"{START}~kite~1~ada"])
def test_a_row_that_is_not_there_is_not_found(carts_told, row_id):
    with pytest.raises(NotThere):
        join_events(carts_told, NAME, row_id)


def test_of_left_events_at_once_each_has_its_own(make_teller):
    teller = make_teller()
    at_once = [
        event(START, type_, eventId=name, productId="kite", value=value)
        for name, type_, value in (
            ("a", "ADD_TO_CART", 1.0),
            ("b", "ADD_TO_CART", 2.0),
            ("c", "PURCHASE", 3.0),
        )
    ]
    teller.tell(at_once, NOW)
    read = teller.installation(NOW)
    behind = {
        item["left_value"]: join_events(read, NAME, item["id"]) for item in rows_of(read).items
    }
    assert {value: each.left["eventId"] for value, each in behind.items()} == {1.0: "a", 2.0: "b"}
    assert behind[1.0].right is None
    assert behind[2.0].right["eventId"] == "c"
