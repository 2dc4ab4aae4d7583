"""Numbers and durations as people read them, on pages, in the terminal and in what answers say."""

from math import ceil

from rtcdp.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_NEARLY = 1e-9
NOTHING = "–"
"""What stands where there is no number."""


def count(number: float | None) -> str:
    """Every digit of a number that may be one of things or of money: `61,109`, `666.40`."""
    if number is None:
        return NOTHING
    return f"{number:,.0f}" if number == int(number) else measured(float(number))


def measured(value: object, items: int | None = None) -> str:
    """What a measure says, or a field of an event. What is no whole number by its kind has two
    places, also where they are zeros, so that a column of it is one of cents; below one, where two
    don't tell it, it has three digits: `1,250.00`, `0.0213`. Of a list so many `items`."""
    match value:
        case None:
            return NOTHING
        case bool():
            return str(value)
        case int():
            return f"{value:,}"
        case float() if 0 < abs(value) < 1 and abs(round(value, 2) - value) > _NEARLY:
            return f"{value:.3g}"
        case float():
            return cents(value)
        case list():
            rest = 0 if items is None else max(0, len(value) - items)
            told = [*map(measured, value[:items]), *([f"{rest:,} more"] if rest else [])]
            return ", ".join(told) or NOTHING
        case dict():
            return " ".join(map(measured, value.values()))
        case _:
            return str(value)


def compact(number: float | None) -> str:
    """Every digit below ten thousand, three of them above: `61.1k`."""
    if number is None:
        return NOTHING
    size = abs(number)
    if size < 10_000:
        places = 2 if size < 10 else 1 if size < 100 else 0
        text = _plain(number, places)
        return text.rstrip("0").rstrip(".") if places else text
    unit, letter = next(each for each in _UNITS if size >= each[0])
    shown = number / unit
    places = 0 if abs(shown) >= 99.95 else 1 if abs(shown) >= 9.995 else 2
    return f"{shown:.{places}f}{letter}"


def money(number: float | None) -> str:
    """Cents below a thousand, three digits above: `12.50`, `61.1k`. Nobody says which currency."""
    if number is None:
        return NOTHING
    return _plain(number, 2) if abs(number) < 1000 else compact(number)


def cents(number: float | None) -> str:
    """Money in a column, where each number has its cents: `1,250.00`."""
    return NOTHING if number is None else _plain(number, 2)


def percent(part: float | None, places: int = 1) -> str:
    """A share of one: `0.123` as `12.3 %`. What is not all is never shown as all, and all and
    nothing are told without places, as they are exact."""
    if part is None:
        return NOTHING
    if part in {0, 1}:
        return f"{100 * part:.0f} %"
    text = f"{100 * part:.{places}f}"
    if part < 1 and float(text) >= 100:
        return f"> {100 - 10**-places:.{places}f} %"
    if part > 0 and float(text) == 0:
        return f"< {10**-places:.{places}f} %"
    return f"{text} %"


def duration(ms: float | None) -> str:
    """`450 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    if ms is None:
        return NOTHING
    if ms < SECOND_MS:
        return f"{ms:.0f} ms"
    if ms < MINUTE_MS:
        return f"{ms / SECOND_MS:.0f} s" if ms >= 10 * SECOND_MS else f"{ms / SECOND_MS:.1f} s"
    if ms < HOUR_MS:
        return _two(ms, MINUTE_MS, "min", SECOND_MS, "s")
    if ms < DAY_MS:
        return _two(ms, HOUR_MS, "h", MINUTE_MS, "min")
    return _two(ms, DAY_MS, "d", HOUR_MS, "h")


def ago(ms: float) -> str:
    """`0.3 s ago`: rounded up, since nothing is as new as now."""
    tenths = max(1, ceil(ms / 100))
    return f"{tenths / 10:.1f} s ago" if ms < MINUTE_MS else f"{duration(ms)} ago"


def plural(number: float, one: str, many: str | None = None) -> str:
    """`1 event`, `2,000 events`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def _plain(number: float, places: int) -> str:
    """So many places; nothing below zero is no less than nothing."""
    return f"{round(number, places) + 0.0:,.{places}f}"


def _two(ms: float, large_ms: int, large: str, small_ms: int, small: str) -> str:
    whole, rest = divmod(int(ms), large_ms)
    rest //= small_ms
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
