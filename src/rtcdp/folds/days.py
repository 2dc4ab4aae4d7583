"""Days, weeks and months of a time zone, as columns; a day may last 23 or 25 hours."""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from rtcdp.errors import UsageError

Calendar = Literal["hour", "day", "week", "month"]


def check_time_zone(name: str) -> None:
    """Raises `UsageError` when nobody knows the time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name!r}", "name one like Europe/Berlin or UTC"
        ) from error


def local_day(instant: pl.Expr, time_zone: str) -> pl.Expr:
    """The number of the local day, counted from 1970-01-01, as a column `day`."""
    return _local(instant, time_zone).dt.date().cast(pl.Int32).cast(pl.Int64).alias("day")


def local_period(instant: pl.Expr, time_zone: str, unit: Calendar, week_start: int = 1) -> pl.Expr:
    """The number of the local hour (of UTC), day, week or month, each one more than that before.
    Weeks begin on the `week_start`-th day from Monday, which is 1."""
    if unit == "hour":
        return instant // 3_600_000
    if unit == "month":
        local = _local(instant, time_zone)
        months = local.dt.year().cast(pl.Int64) * 12 + local.dt.month().cast(pl.Int64) - 1
        return months - 1970 * 12
    day = local_day(instant, time_zone)
    # 1970-01-01 was a Thursday.
    return (day + 4 - week_start) // 7 if unit == "week" else day


def period_start(number: pl.Expr, time_zone: str, unit: Calendar, week_start: int = 1) -> pl.Expr:
    """When a period begins (UTC ms): the inverse of `local_period`."""
    if unit == "hour":
        return number * 3_600_000
    if unit == "month":
        year, month = number // 12 + 1970, number % 12 + 1
        local = pl.datetime(year, month, 1, time_unit="ms")
    else:
        day = number * 7 - 4 + week_start if unit == "week" else number
        local = (day * 86_400_000).cast(pl.Datetime("ms"))
    zoned = local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    # Where a day begins with a skipped hour, it begins when that hour is over.
    later = (local + pl.duration(hours=1)).dt.replace_time_zone(time_zone, ambiguous="earliest")
    return pl.coalesce(zoned, later).dt.epoch("ms")


def _local(instant: pl.Expr, time_zone: str) -> pl.Expr:
    return (
        instant.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone)
    )
