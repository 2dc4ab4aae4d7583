"""Definitions in words, for people: the reference, the API, the page."""

from rtcdp.definitions.measures import Measure
from rtcdp.definitions.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Negation,
    OneOf,
    Predicate,
    Present,
)
from rtcdp.definitions.window import Calendar, Window
from rtcdp.events.derived import field_in_words

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"))


def predicate_in_words(predicate: Predicate) -> str:
    """Which events those are, as what follows "counts"."""
    return (
        "every event" if isinstance(predicate, Everything) else f"events where {_that(predicate)}"
    )


def measure_in_words(measure: Measure) -> str:
    """What its value is, and of which events if not of all."""
    of = "" if measure.where is None else f", of {predicate_in_words(measure.where)}"
    return measure.in_words() + of


def window_in_words(window: Window | Calendar) -> str:
    """`1 minute`, or `1 minute, a new one every 30 seconds`, or `each day in Europe/Berlin`."""
    if isinstance(window, Calendar):
        since = f" from {window.week_starts.title()} on" if window.unit == "week" else ""
        return f"each {window.unit} in {window.zone}{since}"
    size = span_in_words(window.size_ms)
    if window.slide_ms == window.size_ms:
        return size
    return f"{size}, a new one every {span_in_words(window.slide_ms)}"


def _that(predicate: Predicate) -> str:
    match predicate:
        case Everything():
            return "anything holds"
        case Equals(field=field, text=text):
            return f"{field_in_words(field)} is `{text}`"
        case OneOf(field=field, texts=texts):
            return f"{field_in_words(field)} is one of " + ", ".join(f"`{text}`" for text in texts)
        case Present(field=field):
            return f"{field_in_words(field)} is there"
        case Compare(field=field, comparison=comparison, limit=limit):
            relation = f"{comparison} {limit:g}"
            plain = isinstance(field, str)
            return f"`{field} {relation}`" if plain else f"{field_in_words(field)} `{relation}`"
        case AllOf(predicates=inner):
            return " and ".join(map(_bracketed, inner)) or "anything holds"
        case AnyOf(predicates=inner):
            return " or ".join(map(_bracketed, inner)) or "nothing holds"
        case Negation(predicate=negated):
            return f"not ({_that(negated)})"


def _bracketed(predicate: Predicate) -> str:
    words = _that(predicate)
    return f"({words})" if isinstance(predicate, AllOf | AnyOf) else words


def span_in_words(milliseconds: int) -> str:
    """`90 seconds`, `2 hours`: in the largest unit of which it is a whole number."""
    for unit_ms, unit in _UNITS:
        count, rest = divmod(milliseconds, unit_ms)
        if count and not rest:
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{milliseconds} ms"
