import pytest

from rtcdp.definitions import (
    AllOf,
    AnyOf,
    Equals,
    Negation,
    OneOf,
    Present,
    all_of,
    any_of,
    event_type,
    negate,
)

HAS_PRODUCT = Present("productId")
FROM_SHOP = Equals("source", "shop")


def test_one_event_type_is_an_equality() -> None:
    assert event_type("PAGE_VIEW") == Equals("eventType", "PAGE_VIEW")


def test_several_event_types_are_a_choice() -> None:
    assert event_type("PAGE_VIEW", "SEARCH") == OneOf("eventType", ("PAGE_VIEW", "SEARCH"))


def test_predicates_combine() -> None:
    assert all_of(HAS_PRODUCT, FROM_SHOP) == AllOf((HAS_PRODUCT, FROM_SHOP))
    assert any_of(HAS_PRODUCT, FROM_SHOP) == AnyOf((HAS_PRODUCT, FROM_SHOP))
    assert negate(HAS_PRODUCT) == Negation(HAS_PRODUCT)


def test_predicates_are_values_and_cannot_be_changed() -> None:
    assert {event_type("SEARCH"), event_type("SEARCH")} == {Equals("eventType", "SEARCH")}
    with pytest.raises(AttributeError):
        FROM_SHOP.text = "app"  # type: ignore[misc]
