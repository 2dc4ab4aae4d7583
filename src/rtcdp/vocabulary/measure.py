"""What a metric says of a window. Frozen nodes without behaviour; each engine lowers them.

Every measure is a function of the set of events alone, so the order of arrival changes nothing.
"""

from dataclasses import dataclass

from rtcdp.vocabulary.predicate import NumberField, TextField

DISTINCT_EXACT_UP_TO = 8192
"""Distinct counts are exact up to here. Beyond, they are estimated from the 8,192 smallest hashes
with a standard error of 1.1 % (Bar-Yossef et al., Counting Distinct Elements in a Data Stream,
2002; Beyer et al., On Synopses for Distinct-Value Estimation, 2007)."""

TOP_EXACT_UP_TO = 10_000
"""Top-k counts are exact while a key's window has at most this many different items. Beyond twice
that many, the lightest are dropped so that each count falls short by at most total / 10,000
(Misra and Gries 1982; merged as in Agarwal et al., Mergeable Summaries, 2012)."""

MICROS_PER_UNIT = 1_000_000
"""Sums are exact decimals with six places, kept as whole units and millionths."""


@dataclass(frozen=True)
class Count:
    """How many events."""

    name: str


@dataclass(frozen=True)
class Sum:
    """The sum of the field over the events that have it; exact to six decimal places."""

    name: str
    field: NumberField = "value"


@dataclass(frozen=True)
class Minimum:
    """The smallest value of the field; null where no event has it."""

    name: str
    field: NumberField = "value"


@dataclass(frozen=True)
class Maximum:
    """The largest value of the field; null where no event has it."""

    name: str
    field: NumberField = "value"


@dataclass(frozen=True)
class Average:
    """The mean of the field over the events that have it; null where none has."""

    name: str
    field: NumberField = "value"


@dataclass(frozen=True)
class Distinct:
    """How many different values the field has."""

    name: str
    field: TextField


@dataclass(frozen=True)
class TopK:
    """The `k` most frequent values of the field with their counts, most frequent first."""

    name: str
    field: TextField
    k: int = 10


Measure = Count | Sum | Minimum | Maximum | Average | Distinct | TopK
"""The closed set of nodes."""
