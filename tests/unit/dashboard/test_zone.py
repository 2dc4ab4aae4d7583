"""The one rule by which pages write times."""

import pytest

from rtcdp.dashboard.zone import PageZone, zone_kept, zone_named
from rtcdp.errors import BadRequest

SUMMER = 1_782_907_385_000
"""2026-07-01T12:03:05Z"""


def test_an_instant_is_written_as_on_the_clocks_of_the_zone() -> None:
    kolkata = zone_named("Asia/Kolkata")
    assert kolkata.second(SUMMER) == "17:33:05"
    assert kolkata.minute(SUMMER) == "17:33"
    assert kolkata.moment(SUMMER) == "1 Jul 2026, 17:33:05"
    assert kolkata.day(SUMMER) == "1 Jul"
    assert kolkata.date(SUMMER) == "2026-07-01"
    assert kolkata.iso(SUMMER) == "2026-07-01T12:03:05.000Z"
    assert kolkata.offset(SUMMER) == "UTC+05:30"
    assert PageZone().offset(SUMMER) == "UTC"


def test_the_distance_to_utc_is_that_of_the_day() -> None:
    berlin = zone_named("Europe/Berlin")
    assert berlin.offset(SUMMER) == "UTC+02:00"
    assert berlin.offset(SUMMER - 150 * 86_400_000) == "UTC+01:00"


def test_what_the_visitor_chose_last_holds() -> None:
    assert zone_kept("a=b; rtcdp-tz=Europe/Berlin").name == "Europe/Berlin"
    assert zone_kept("a=b; rtcdp-tz=Europe%2FBerlin").name == "Europe/Berlin"
    assert zone_kept('rtcdp-tz="Asia/Tokyo"').name == "Asia/Tokyo"


@pytest.mark.parametrize(
    "cookies", ["", "rtcdp-tz=Nowhere", "rtcdp-tz=../../etc", "a=b", ";;=\x00"]
)
def test_a_choice_that_is_none_is_utc(cookies: str) -> None:
    assert zone_kept(cookies).name == "UTC"


def test_a_zone_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRequest, match="Nowhere"):
        zone_named("Nowhere")
