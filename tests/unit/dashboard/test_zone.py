"""The one rule by which pages write times."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

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


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25"])
def test_a_time_is_read_as_clocks_show_it_also_where_they_are_changed(name: str, day: str) -> None:
    zone, rules = zone_named(name), ZoneInfo(name)
    begin = datetime.fromisoformat(f"{day}T00:00Z") - timedelta(hours=14)
    shown: dict[str, list[int]] = {}
    for minute in range(0, 52 * 60, 5):
        instant = begin + timedelta(minutes=minute)
        text = f"{instant.astimezone(rules):%Y-%m-%dT%H:%M}"
        shown.setdefault(text, []).append(int(instant.timestamp() * 1000))
    assert sum(map(len, shown.values())) > 600
    for text, instants in shown.items():
        assert zone.read("from", text) == instants[0]
        assert zone.read("to", text, is_end=True) == instants[-1]
        assert all(zone.field(instant) == text for instant in instants)


def test_a_time_that_clocks_skip_is_as_by_the_time_before() -> None:
    berlin = zone_named("Europe/Berlin")
    skipped = int(datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp() * 1000)
    assert berlin.read("from", "2026-03-29T02:30") == skipped
    assert berlin.read("to", "2026-03-29 02:30:00", is_end=True) == skipped


def test_a_time_may_be_written_as_the_api_has_it() -> None:
    kolkata = zone_named("Asia/Kolkata")
    assert kolkata.read("from", "2026-07-01T12:03:05Z") == SUMMER
    assert kolkata.read("from", str(SUMMER)) == SUMMER
    assert kolkata.iso(kolkata.read("from", "2026-07-01")) == "2026-06-30T18:30:00.000Z"
    assert kolkata.field(SUMMER) == "2026-07-01T17:33:05"
    assert kolkata.field(SUMMER + 5) == "2026-07-01T17:33:05.005"
    assert kolkata.read("from", kolkata.field(SUMMER + 5)) == SUMMER + 5


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2026-02-30T10:00", "2026-01-01T25:00", "0001-01-01", "9999-12-31T23:59Z"],
)
def test_what_is_no_time_is_refused_with_what_to_send(text: str) -> None:
    with pytest.raises(BadRequest, match="is not a time that events have") as refused:
        zone_named("America/New_York").read("from", text)
    assert "America/New_York" in refused.value.hint
