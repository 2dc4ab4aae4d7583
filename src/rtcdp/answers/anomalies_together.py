"""Windows in which several metrics don't go together as they usually do, though each by itself may
be ordinary.

What is learned depends on where history begins, so unlike `rtcdp.answers.anomalies` this is no
function of the windows alone. It needs river, which an extra brings (`multivariate`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from rtcdp.anomalies import FloatArray, IntArray, Judgement, judge
from rtcdp.anomalies.together import LEARNED_DAYS, Together, judge_together
from rtcdp.answers.anomalies import (
    DEFAULT_DAYS,
    AnomaliesQuestion,
    Watch,
    roughly,
    series_to_judge,
    watches_of,
)
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import beginning
from rtcdp.answers.series import KeyedSeries
from rtcdp.answers.series_days import step_ms
from rtcdp.clock import DAY_MS
from rtcdp.definitions import USUAL
from rtcdp.errors import BadRequest
from rtcdp.words import count

SERIES_MAX = 16
"""So many series are held against each other: those of the largest keys."""


class TogetherQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which `metrics` to hold against each other, key by key where they have any, and in which
    windows (UTC ms). `since` is so long ago (ms)."""

    metrics: tuple[str, ...]
    start_from: int | None = None
    since: int | None = None
    start_to: int | None = None
    limit: int = 100


class Part(msgspec.Struct):
    """One series in a window: what came, what is `usual` by its own history, what the others make
    `likely`, and how many deviations it is `apart` from that, negative when below."""

    metric: str
    key: dict[str, str]
    observed: float
    usual: float
    likely: float
    apart: float


class Apart(msgspec.Struct):
    """A window in which series don't go together. In `compared` windows before it any of them was
    as far apart `rank` times, where windows in a row are one time. `parts` are all of them, the
    farthest apart first."""

    window_start: str
    window_end: str
    rank: int
    compared: int
    says: str
    parts: list[Part]


class TogetherPage(msgspec.Struct):
    """Windows in which series don't go together, newest first; `series` of them were held against
    each other, and have been from `learned_from` on (None where there is nothing)."""

    items: list[Apart]
    series: int
    learned_from: str | None
    as_of: str | None
    lag_ms: int | None


@dataclass(frozen=True)
class _One:
    """A series in the windows that all have in common."""

    watch: Watch
    key: tuple[str, ...] | None
    values: FloatArray
    judged: Judgement

    @property
    def named_key(self) -> dict[str, str]:
        return dict(zip(self.watch.metric.key_names, self.key or (), strict=False))


def together_page(installation: Installation, question: TogetherQuestion) -> TogetherPage:
    """The newest windows in which metrics don't go together. Raises `BadRequest` for metrics that
    can't be held against each other, `NotThere` for unknown ones, and `StoreUnavailable`."""
    now_ms = installation.clock.now_ms()
    end = question.start_to
    start_from = beginning(question.start_from, question.since, now_ms, end)
    if start_from is None:
        start_from = (now_ms if end is None else end) - DEFAULT_DAYS * DAY_MS
    asked = [
        AnomaliesQuestion(metric=name, start_to=question.start_to) for name in question.metrics
    ]
    watches = [watch for each in asked for watch in watches_of(installation, each)]
    if len({step_ms(watch.metric) for watch in watches}) > 1:
        raise BadRequest(
            "metrics with windows of different lengths can't be held against each other",
            "name those of one length; rtcdp metrics shows them",
        )
    found: list[tuple[Watch, KeyedSeries]] = []
    with open_reading(installation) as reading:
        for watch, each in zip(watches, asked, strict=True):
            of_metric = series_to_judge(installation, reading, watch, each, (start_from, None))
            by_key = [keyed for keyed in of_metric.items if keyed.key is not None]
            found += [(watch, keyed) for keyed in by_key or of_metric.items]
        fresh = reading.freshness
    found = _with_history(found)[:SERIES_MAX]
    if len(found) < 2:
        raise BadRequest(
            "one series alone has nothing to go with",
            "name several metrics, or one that has several keys in that time",
        )
    starts, ones = _in_common(found)
    items: list[Apart] = []
    if len(starts):
        values = [one.values for one in ones]
        per_day = found[0][1].series.per_day
        told = judge_together(starts, values, [one.judged for one in ones], per_day, USUAL)
        items = list(_told(starts, ones, told, start_from))
    return TogetherPage(
        items=items[: question.limit],
        series=len(ones),
        learned_from=iso_ms(int(starts[0])) if len(starts) else None,
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
    )


def _with_history(found: list[tuple[Watch, KeyedSeries]]) -> list[tuple[Watch, KeyedSeries]]:
    """Those that began about when the first of them did: what is new has to be known for itself
    before others say anything of it."""
    first = min((int(keyed.starts[0]) for _, keyed in found), default=0)
    border = first + LEARNED_DAYS * DAY_MS
    return [(watch, keyed) for watch, keyed in found if int(keyed.starts[0]) <= border]


def _in_common(found: Sequence[tuple[Watch, KeyedSeries]]) -> tuple[IntArray, list[_One]]:
    """The windows that all of them have and that can't change any more, and the series in these."""
    first = max(int(keyed.starts[0]) for _, keyed in found)
    ends = [
        int(keyed.starts[keyed.series.final_count - 1]) if keyed.series.final_count else -1
        for _, keyed in found
    ]
    longest = max((keyed for _, keyed in found), key=lambda keyed: len(keyed.starts))
    starts = longest.starts[(longest.starts >= first) & (longest.starts <= min(ends))]
    ones = []
    for watch, keyed in found:
        # Its own history is all that there is of it.
        judged = judge(keyed.series, watch.alarms)
        places = np.flatnonzero(np.isin(keyed.starts, starts))
        ones.append(_One(watch, keyed.key, keyed.series.values[places], judged.at(places)))
    return starts, ones


def _told(
    starts: IntArray, ones: Sequence[_One], told: Together, start_from: int
) -> Iterator[Apart]:
    """What is said of the windows from a time on, newest first."""
    for place in reversed(told.is_alarm.nonzero()[0].tolist()):
        start = int(starts[place])
        if start < start_from:
            return
        parts = [
            Part(
                metric=one.watch.metric.name,
                key=one.named_key,
                observed=float(one.values[place]),
                usual=float(one.judged.expected[place]),
                likely=round(max(0.0, float(told.likely[place, column])), 1),
                apart=round(float(told.apart[place, column]), 2),
            )
            for column, one in enumerate(ones)
        ]
        parts.sort(key=lambda part: -abs(part.apart))
        rank, compared = int(told.rank[place]), int(told.compared[place])
        yield Apart(
            window_start=iso_ms(start),
            window_end=iso_ms(ones[0].watch.metric.window.end_of(start)),
            rank=rank,
            compared=compared,
            says=_in_words(parts[0], rank, compared),
            parts=parts,
        )


def _in_words(part: Part, rank: int, compared: int) -> str:
    seen = "never" if rank == 0 else "once" if rank == 1 else f"{rank} times"
    return (
        f"{count(part.observed)} where the others make {roughly(part.likely)} likely: "
        f"as far apart {seen} in the {compared:,} windows before"
    )
