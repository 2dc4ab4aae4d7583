"""One record of the second stream, one verdict."""

import pytest

from rtcdp.events.dead_letter import Rejection
from rtcdp.events.product_update import ProductUpdate, decode_product_update

GOOD = (
    b'{"productId":"p1","name":"Shoe","category":"Shoes","price":12.5,'
    b'"validFrom":"2026-01-31T09:30:00.2509+00:00","colour":"red"}'
)


def test_an_update_says_all_that_is_known() -> None:
    assert decode_product_update(GOOD) == ProductUpdate(
        "p1", "Shoe", "Shoes", 12.5, 1_769_851_800_250
    )
    said = decode_product_update(b'{"productId":"p1","category":null,"validFrom":-5}')
    assert said == ProductUpdate("p1", None, None, None, -5)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"category":"Shoes"}', "missing_field"),
        (b'{"productId":""}', "out_of_range"),
        (b'{"productId":"p","category":""}', "out_of_range"),
        (b'{"productId":"%s"}' % (b"p" * 257), "out_of_range"),
        (b'{"productId":7}', "wrong_type"),
        (b'{"productId":"p","price":-0.01}', "out_of_range"),
        (b'{"productId":"p","price":1e999}', "out_of_range"),
        (b'{"productId":"p","price":NaN}', "not_json"),
        (b'{"productId":"p","validFrom":"2026-01-31T09:30:00"}', "invalid_timestamp"),
        (b'{"productId":"p","validFrom":99999999999999999}', "invalid_timestamp"),
        (b'{"productId":"p","validFrom":1.5}', "invalid_timestamp"),
        (b'{"productId":"p","productId":"q"}', "duplicate_key"),
        (b'{"productId":"p","product\\u0049d":"q"}', "duplicate_key"),
        (b'{"productId":"p","category":"a\\u0000"}', "invalid_character"),
        (b'{"productId":"\xff"}', "not_utf8"),
        (b"[]", "not_an_object"),
        (b'{"productId":"p","x":%s}' % (b"[" * 70 + b"]" * 70), "too_deep"),
        (b'{"productId":"p","x":"%s"}' % (b"x" * 70_000), "too_large"),
    ],
)
def test_what_is_none_has_a_reason_and_says_what_to_send(record: bytes, reason: str) -> None:
    verdict = decode_product_update(record)
    assert isinstance(verdict, Rejection)
    assert verdict.reason == reason
    assert verdict.message
