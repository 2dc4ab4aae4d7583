"""Days of a time zone, where a day has 23 or 25 hours, or begins at one o'clock."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from rtcdp.errors import UsageError
from rtcdp.folds.days import check_time_zone, local_day, local_period, period_start

HOUR = 3_600_000


def instant(zone, *parts):
    return int(datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def of(expression, number):
    return pl.DataFrame({"n": [number]}).select(expression(pl.col("n")))[0, 0]


@pytest.mark.parametrize(
    ("zone", "year", "month", "day"),
    [("Europe/Berlin", 2024, 3, 31), ("Europe/Berlin", 2024, 10, 27), ("Asia/Kolkata", 2024, 1, 1)],
)
def test_a_local_day_begins_at_its_midnight(zone, year, month, day):
    midnight = instant(zone, year, month, day)
    number = of(lambda n: local_day(n, zone), midnight)
    assert of(lambda n: local_day(n, zone), midnight - 1) == number - 1
    assert of(lambda n: period_start(n, zone, "day"), number) == midnight


def test_a_day_without_a_midnight_begins_when_the_skipped_hour_is_over():
    zone = "America/Santiago"
    one = instant(zone, 2024, 9, 8, 1)
    number = of(lambda n: local_day(n, zone), one)
    assert of(lambda n: period_start(n, zone, "day"), number) == one
    assert of(lambda n: local_day(n, zone), one - 1) == number - 1


@pytest.mark.parametrize(
    ("zone", "skipped", "first"),
    [
        ("Pacific/Apia", (2011, 12, 30), (2011, 12, 31)),
        ("Pacific/Kwajalein", (1993, 8, 21), (1993, 8, 22)),
    ],
)
def test_a_day_that_clocks_skip_begins_and_ends_with_the_one_after_it(zone, skipped, first):
    start = instant(zone, *first)
    number = of(lambda n: local_day(n, zone), start)
    assert of(lambda n: local_day(n, zone), start - 1) == number - 2
    assert of(lambda n: period_start(n, zone, "day"), number) == start
    assert of(lambda n: period_start(n, zone, "day"), number - 1) == start
    assert (date(*first) - date(*skipped)).days == 1


def test_a_day_without_the_first_quarter_of_an_hour_begins_when_that_is_over():
    zone = "Asia/Kathmandu"
    quarter_past = instant(zone, 1986, 1, 1, 0, 15)
    number = of(lambda n: local_day(n, zone), quarter_past)
    assert of(lambda n: local_day(n, zone), quarter_past - 1) == number - 1
    assert of(lambda n: period_start(n, zone, "day"), number) == quarter_past


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("week_start", [1, 7])
def test_a_period_starts_where_its_number_changes(unit, week_start):
    zone = "Europe/Berlin"
    for time in range(instant(zone, 1969, 12, 1), instant(zone, 1970, 3, 5), 37 * HOUR):
        number = of(lambda n: local_period(n, zone, unit, week_start), time)
        start = of(lambda n: period_start(n, zone, unit, week_start), number)
        assert start <= time
        assert of(lambda n: local_period(n, zone, unit, week_start), start) == number
        assert of(lambda n: local_period(n, zone, unit, week_start), start - 1) == number - 1


def test_a_week_begins_on_the_day_that_was_asked_for():
    sunday = instant("UTC", 2024, 6, 2)
    number = of(lambda n: local_period(n, "UTC", "week", 7), sunday)
    assert of(lambda n: period_start(n, "UTC", "week", 7), number) == sunday


@pytest.mark.parametrize(
    "zone",
    [
        *(
            "Europe/Atlantis",
            "",
            "Europe",
            "europe/berlin",
            "../UTC",
            "Europe//Berlin",
            "a\0b",
            "a" * 3000,
        ),
        # What a system knows besides, and days aren't counted by.
        *("localtime", "posixrules", "posix/Europe/Berlin", "right/UTC", "Factory", "zone.tab"),
    ],
)
def test_a_zone_that_nobody_knows_is_refused(zone):
    with pytest.raises(UsageError, match="time zone"):
        check_time_zone(zone)


def test_zones_are_known_by_all_their_names():
    for zone in ("UTC", "Etc/GMT+5", "GB", "America/Argentina/Buenos_Aires", "EST5EDT"):
        check_time_zone(zone)
