"""Times of recorded events, many at once, where they are written as their format writes them.

Which instant a text is, `rtcdp.sources.recorded.line_mapper` says. What is told here is the same,
of a text that comes out again, character by character, when the instant that was read from it is
written in the format. Whatever else that format may stand for is left out, for that.
"""

import re
from collections.abc import Callable

import polars as pl

from rtcdp.sources.recorded.mapping import TimestampRule
from rtcdp.sources.recorded.template import template_names

_DIRECTIVE = re.compile("%(.?)", re.DOTALL)
_PLAIN = sorted("YmdHMS")
_WIRE = "%Y-%m-%dT%H:%M:%S.%3fZ"
_FORMATS = {"iso": ("%Y-%m-%dT%H:%M:%SZ", _WIRE)}
"""Those of the formats with names that are read here, in the words of `strptime`."""

_YEARS = (2, 9_997)
"""Of the years that an event may be of, all but those at both ends."""

TimeReader = Callable[[pl.Series], pl.Series]
"""Gives times as they are written into the wire format; null for a text that is not sure."""


def time_reader(rule: TimestampRule) -> TimeReader | None:
    """What reads the texts of the column that `rule` names; None where the rule says more than
    columns can tell: of other formats, of other clocks than UTC, of more than one column."""
    names, form = template_names(rule.source), rule.formats[0]
    formats = _FORMATS.get(form, (form,) if _is_plain(form) else ())
    if names != (rule.source[1:-1],) or rule.timezone != "UTC" or not formats:
        return None

    def read(texts: pl.Series) -> pl.Series:
        return pl.select(pl.coalesce([_read(texts, each) for each in formats])).to_series()

    return read


def _is_plain(form: str) -> bool:
    """Whether it holds a year, a month, a day, hours, minutes and seconds, each once, and says
    nothing else of an instant."""
    return sorted(_DIRECTIVE.findall(form)) == _PLAIN


def _read(texts: pl.Series, form: str) -> pl.Series:
    instants = texts.str.to_datetime(form, strict=False, time_unit="ms")
    is_sure = (instants.dt.strftime(form) == texts) & instants.dt.year().is_between(*_YEARS)
    return instants.dt.strftime(_WIRE).zip_with(is_sure, pl.Series([None], dtype=pl.String))
