"""Products of a session, by hand."""

import json

import pytest

from rtcdp.errors import UsageError
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.sessions import Sessions
from rtcdp.store.row_changes import ROW_BYTES_MAX
from tests.stories import event, frame_of

MINUTE = 60_000


def told(step, *events):
    rows = step.rows(frame_of(events), "userId")
    return rows.select("started_at", "products", "deeds", "left_out").rows()


def seen(minute, product, type_="PAGE_VIEW"):
    return event(minute * MINUTE, type_, productId=product, eventId=f"e{minute}")


def test_a_product_is_told_once_with_the_most_that_was_done():
    events = (
        seen(0, "shoe"),
        seen(1, "shoe", "ADD_TO_CART"),
        seen(2, "shoe"),
        seen(3, 'so"ck'),
        seen(4, "shoe", "PURCHASE"),
    )
    assert told(ProductSessions(), *events) == [(0, '["shoe","so\\"ck","shoe"]', "csb", 0)]


def test_what_names_no_product_joins_nothing():
    events = (seen(0, "shoe"), event(20 * MINUTE, eventId="e"), seen(40, "sock"))
    assert told(ProductSessions(), *events) == [
        (0, '["shoe"]', "s", 0),
        (40 * MINUTE, '["sock"]', "s", 0),
    ]


def test_of_many_the_last_are_told_and_the_others_counted():
    events = [seen(minute, f"p{minute}") for minute in range(5)]
    assert told(ProductSessions(products_max=2), *events) == [(0, '["p3","p4"]', "ss", 3)]


def test_of_long_names_fewer_are_told_so_that_every_store_takes_the_row():
    names = [f"{number:03}" + 253 * "\1" for number in range(100)]
    events = [seen(number, name) for number, name in enumerate(names)]
    [(start, products, deeds, left_out)] = told(ProductSessions(products_max=200), *events)
    assert (start, json.loads(products), deeds) == (0, names[left_out:], (100 - left_out) * "s")
    assert left_out == 25
    assert len(products) < ROW_BYTES_MAX * 0.9


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ({"products_max": 1}, "products_max from 2 to 200"),
        ({"sessions": Sessions(by="client")}, "sessions that go by the gap alone"),
        ({"sessions": Sessions(exclude=("PING",))}, "events= instead"),
    ],
)
def test_what_makes_no_sense_is_refused(options, instead):
    with pytest.raises(UsageError) as refused:
        ProductSessions(**options)
    assert instead in refused.value.hint
