"""What is asked of a page."""

from types import SimpleNamespace
from typing import Any

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.page import PageAsked, PageQuestion
from rtcdp.dashboard.zone import PageZone


def asked(**question: int | str) -> PageAsked[PageQuestion]:
    request: Any = SimpleNamespace(path_params={"name": "shop"})
    zone = PageZone(str(question.get("tz", "UTC")))
    context: Any = SimpleNamespace(installation="the installation")
    return PageAsked(
        context, request, PageQuestion(**question), zone, PageAddress("/"), 10 * DAY_MS
    )


def test_nobody_who_says_nothing_gets_the_last_hour() -> None:
    assert asked().period.length == HOUR_MS
    assert asked().is_last("1h")
    assert not asked().is_last("30m")


def test_what_is_chosen_is_known() -> None:
    assert asked(last=DAY_MS).is_last("24h")
    assert not asked(start_from="1970-01-10T00:00").is_last("1h")
    assert not asked(start_to="1970-01-10").is_last("1h")


def test_a_time_is_read_as_the_clocks_of_the_page_show_it() -> None:
    here = asked(start_from="2026-10-25T02:30", start_to="2026-10-25T02:30", tz="Europe/Berlin")
    assert here.period.length == HOUR_MS  # that hour comes twice
    assert not here.period.moves
    assert iso_ms(here.period.start) == "2026-10-25T00:30:00.000Z"


def test_parts_of_the_path_are_there() -> None:
    assert asked().in_path("name") == "shop"
    assert asked().in_path("other") is None
    assert asked().installation == "the installation"


def test_the_names_in_addresses_are_those_of_the_api() -> None:
    names = [each.encode_name for each in msgspec.structs.fields(PageQuestion)]
    assert names == ["from", "to", "last", "tz"]
