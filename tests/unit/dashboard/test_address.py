"""Addresses of pages."""

import pytest

from rtcdp.dashboard.address import PageAddress, own_address, read_address, segment

HERE = read_address("/sessions", b"tz=Europe%2FBerlin&last=1h&page=/a%26b&page=/c&cursor=x")


def test_an_address_says_what_was_sent() -> None:
    assert HERE.pairs[0] == ("tz", "Europe/Berlin")
    assert HERE.but() == "/sessions?tz=Europe%2FBerlin&last=1h&page=%2Fa%26b&page=%2Fc&cursor=x"


def test_values_are_changed_and_left_out() -> None:
    assert HERE.but({"from": 7, "last": None}, tz="UTC", cursor=None, page=None) == (
        "/sessions?from=7&tz=UTC"
    )


def test_one_of_several_values_is_taken_away() -> None:
    assert "page=%2Fc" in HERE.without("page", "/a&b")
    assert "a%26b" not in HERE.without("page", "/a&b")


def test_time_and_zone_are_taken_along() -> None:
    assert HERE.elsewhere("/funnels") == "/funnels?tz=Europe%2FBerlin&last=1h"
    assert HERE.elsewhere("/users/a", last=None) == "/users/a?tz=Europe%2FBerlin"


def test_a_form_sends_the_rest() -> None:
    assert HERE.hidden("tz", "page") == (("last", "1h"),)


def test_lists_begin_anew_at_another_time_and_in_a_form() -> None:
    here = read_address("/paths", b"from=1&to=2&nodes=3&cursor=x&people_cursor=y")
    assert here.moving(last="1h") == "/paths?nodes=3&last=1h"
    assert here.hidden("from") == (("to", "2"), ("nodes", "3"))


def test_an_address_leads_to_this_server_however_many_slashes_it_begins_with() -> None:
    assert read_address("//evil.test", b"").but() == "/evil.test"


def test_an_empty_field_is_not_sent_again_and_again() -> None:
    assert read_address("/explore", b"where=&where=a%3Db&tz=").hidden("page") == (("where", "a=b"),)


@pytest.mark.parametrize("address", ["/", "/explore?metrics=views&back=%2F", "/users/a%2Fb"])
def test_an_address_of_this_server_is_one(address: str) -> None:
    assert own_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "//evil.test",
        "/\\evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "https://evil.test",
        "/ü",
    ],
)
def test_an_address_that_may_lead_elsewhere_is_none(address: str) -> None:
    assert own_address(address) is None


def test_a_path_without_a_query_stays_so() -> None:
    assert PageAddress("/").but() == "/"
    assert segment("a/b ü") == "a%2Fb%20%C3%BC"
