"""What the pages of stories have in common."""

from types import SimpleNamespace
from typing import Any

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.period import Period
from rtcdp.dashboard.stories import (
    api_address,
    chosen_fold,
    event_shown,
    fold_tabs,
    from_to,
    in_time,
    instant_of,
    session_href,
    user_href,
)
from rtcdp.errors import NotThere


def asked(**fields: Any) -> Any:
    """As much of a request as these functions look at."""
    return SimpleNamespace(
        installation=SimpleNamespace(folds=load_folds()),
        address=PageAddress("/funnels", (("tz", "Asia/Tokyo"), ("step", "2"))),
        in_path=lambda _: fields.get("name"),
        **fields,
    )


def test_a_time_has_an_end_where_one_was_said() -> None:
    def time(end: str | None) -> Any:
        period = Period(5, 9, moves=end is None)
        return in_time(asked(period=period, question=SimpleNamespace(start_to=end)))

    assert time(None) == {"start_from": 5, "start_to": None}
    still = time("1970-01-01T00:00:00.009Z")
    assert still == {"start_from": 5, "start_to": 9}
    assert from_to(still) == {
        "from": "1970-01-01T00:00:00.005Z",
        "to": "1970-01-01T00:00:00.009Z",
    }


def test_the_fold_is_the_one_in_the_path_or_the_first_of_its_kind() -> None:
    first = chosen_fold(asked(), "funnel")
    assert first is not None
    assert first.name == "shop_funnel"
    named = chosen_fold(asked(name="shop_funnel"), "funnel")
    assert named is not None
    assert named.name == "shop_funnel"
    assert chosen_fold(asked(), "nothing") is None
    with pytest.raises(NotThere, match="is no funnel"):
        chosen_fold(asked(name="sessions"), "funnel")


def test_one_fold_alone_is_no_choice() -> None:
    fold = chosen_fold(asked(), "funnel")
    assert fold is not None
    assert fold_tabs(asked().installation, fold, lambda each: each.name) == ()
    two: Any = SimpleNamespace(folds=(fold, fold))
    tabs = fold_tabs(two, fold, lambda each: f"/{each.name}")
    assert [(tab.href, tab.is_here) for tab in tabs] == [("/shop_funnel", True)] * 2


def test_addresses_of_the_api_leave_out_what_is_not_asked() -> None:
    assert api_address("/api/x", {"a": None, "b": "c d", "e": 1}) == "/api/x?b=c+d&e=1"


def test_links_take_the_zone_along_and_nothing_else() -> None:
    assert user_href(asked(), "userId", "a/b") == "/users/a%2Fb?tz=Asia%2FTokyo"
    assert user_href(asked(), "productId", "a") is None
    assert session_href(asked(), "sessions", "1~a/b") == "/sessions/1~a%2Fb?tz=Asia%2FTokyo"
    assert session_href(asked(), "mine", "1~a") == "/sessions/1~a?tz=Asia%2FTokyo&fold=mine"


def test_an_event_says_first_what_says_most() -> None:
    shown = event_shown(
        {
            "timestamp": "1970-01-01T00:00:01.000Z",
            "eventType": "PURCHASE",
            "sessionId": "s",
            "properties": {"colour": "red"},
            "eventId": "e",
            "userId": "ada",
            "value": 2.5,
            "pageUrl": None,
        }
    )
    assert (shown.at, shown.type) == (1000, "PURCHASE")
    assert shown.fields == (("value", "2.5"), ("properties", '{"colour":"red"}'))
    assert event_shown({"timestamp": 5, "eventType": "SEARCH"}).at == 5


def test_no_time_is_none() -> None:
    assert instant_of(None) is None
