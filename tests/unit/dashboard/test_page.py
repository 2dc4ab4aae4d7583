"""What is asked of a page."""

from types import SimpleNamespace
from typing import Any

import msgspec

from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.page import PageAsked, PageQuestion
from rtcdp.dashboard.period import DAY_MS, HOUR_MS
from rtcdp.dashboard.zone import PageZone


def asked(**question: int | str) -> PageAsked[PageQuestion]:
    request: Any = SimpleNamespace(path_params={"name": "shop"})
    context: Any = SimpleNamespace(installation="the installation")
    return PageAsked(
        context, request, PageQuestion(**question), PageZone(), PageAddress("/"), 10 * DAY_MS
    )


def test_nobody_who_says_nothing_gets_the_last_hour() -> None:
    assert asked().period.length == HOUR_MS
    assert asked().is_last("1h")
    assert not asked().is_last("30m")


def test_what_is_chosen_is_known() -> None:
    assert asked(last=DAY_MS).is_last("24h")
    assert not asked(start_from=9 * DAY_MS).is_last("1h")
    assert not asked(start_to=9 * DAY_MS).is_last("1h")


def test_parts_of_the_path_are_there() -> None:
    assert asked().in_path("name") == "shop"
    assert asked().in_path("other") is None
    assert asked().installation == "the installation"


def test_the_names_in_addresses_are_those_of_the_api() -> None:
    names = [each.encode_name for each in msgspec.structs.fields(PageQuestion)]
    assert names == ["from", "to", "last", "tz"]
