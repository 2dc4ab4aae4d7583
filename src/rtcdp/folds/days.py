"""Days, weeks and months of a time zone, as columns; a day may last 23 or 25 hours."""

from typing import Literal

import polars as pl
from polars.exceptions import ComputeError

from rtcdp.errors import UsageError
from rtcdp.events.calendar import zone_of

Calendar = Literal["hour", "day", "week", "month"]

_SURELY_BEFORE_MS = 26 * 3_600_000
"""So long before an instant that is called the same in UTC it is still before the local one."""


def check_time_zone(name: str) -> None:
    """Raises `UsageError` when nobody knows the time zone, or only the system that this runs on."""
    zone_of(name)
    try:
        pl.select(_local(pl.lit(0, pl.Int64), name))
    except ComputeError as error:
        raise UsageError(
            f"no days are known of the time zone {name!r}", "name one like Europe/Berlin, or UTC"
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
    # Where clocks skip midnight, or a whole day, it begins when it would have been midnight by the
    # time before.
    before = _local(local.dt.epoch("ms") - _SURELY_BEFORE_MS, time_zone)
    offset = before.dt.base_utc_offset() + before.dt.dst_offset()
    return pl.coalesce(zoned.dt.epoch("ms"), local.dt.epoch("ms") - offset.dt.total_milliseconds())


def _local(instant: pl.Expr, time_zone: str) -> pl.Expr:
    return (
        instant.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone)
    )
