"""Anomalies: windows of a metric that are out of the ordinary, with the reasons.

They are worked out when somebody asks, from the windows that the store holds. So they are the same
whichever engine counted, and a late event that changes a window changes what is said of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
import numpy as np

from rtcdp.anomalies import Judgement, judge_since
from rtcdp.answers.cursor import INSTANT, read_cursor, write_cursor
from rtcdp.answers.freshness import FreshAnswer, Installation, Reading, open_reading
from rtcdp.answers.instant import EARLIEST, LATEST, iso_ms
from rtcdp.answers.judged_series import Named
from rtcdp.answers.keeper import Keeper, keeper_of
from rtcdp.answers.metrics import find_metric
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, Texts, To, beginning
from rtcdp.answers.series import KeyedSeries, SeriesFound, Wanted, series_of
from rtcdp.answers.series_days import step_ms
from rtcdp.clock import DAY_MS
from rtcdp.definitions import USUAL, Alarms, Direction, Measure, Metric, Window
from rtcdp.errors import BadRequest, NotThere
from rtcdp.store import StoreSnapshot
from rtcdp.words import count

ANOMALIES_PATH = "/api/anomalies"
DEFAULT_DAYS = 7
_AROUND = 48
"""So many windows before an anomaly are shown with it."""


class AnomaliesQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which anomalies. What `equals` may name are the fields of the metric's key."""

    equals: Texts = {}
    metric: Annotated[
        str | None, msgspec.Meta(description="of this metric; else of all that are watched")
    ] = None
    direction: Annotated[Direction, msgspec.Meta(description="rises, drops or both")] = "both"
    acknowledged: Annotated[
        Literal["true", "false"] | None,
        msgspec.Meta(description="only those that somebody has seen, or that nobody has"),
    ] = None
    start_from: From = None
    since: Since = None
    start_to: To = None
    limit: Limit = 100
    cursor: Cursor = None


class Acknowledged(msgspec.Struct):
    """That somebody has seen an anomaly: who, when, and what there was to say."""

    by: str
    at: str
    note: str


class Anomaly(msgspec.Struct, kw_only=True):
    """A window that is out of the ordinary. `key` is empty where all keys are taken together.

    `observed` is what came, `expected` what usually does, `low` to `high` what would not have been
    told. `surprise` says how many deviations it is off, negative when below. In `compared` windows
    of its own history it was as far off `rank` times, where windows in a row are one time. Until it
    is `final` the window may still change. The events behind it are at `events_url`. `acknowledged`
    is there when somebody has seen it.
    """

    id: str
    metric: str
    measure: str
    key: dict[str, str]
    window_start: str
    window_end: str
    direction: str
    observed: float
    expected: float
    low: float
    high: float
    surprise: float
    rank: int
    compared: int
    final: bool
    says: str
    url: str
    events_url: str
    acknowledged: Acknowledged | None = None


class AnomaliesPage(msgspec.Struct, omit_defaults=True):
    """Anomalies, newest first. `watched` series were looked at, one for each key and one for all
    keys together; `left_out` keys had too few events to be among them. `history_from` is there when
    a metric has so many windows that they are compared with those from then on alone."""

    items: list[Anomaly]
    next_cursor: str | None
    watched: int
    left_out: int
    as_of: str | None
    lag_ms: int | None
    history_from: str | None = None
    warning: str | None = None


class PointOfSeries(msgspec.Struct):
    """One window of the series, and the band that it was expected in."""

    window_start: str
    observed: float
    expected: float | None
    low: float | None
    high: float | None


class AnomalyPage(FreshAnswer, omit_defaults=True):
    """One anomaly, and the windows before it with their bands, oldest first."""

    anomaly: Anomaly
    series: list[PointOfSeries]


@dataclass(frozen=True)
class Watch:
    """A metric that is watched, and how."""

    metric: Metric
    measure: Measure
    alarms: Alarms


def anomalies_page(installation: Installation, question: AnomaliesQuestion) -> AnomaliesPage:
    """A page of anomalies. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    watches = watches_of(installation, question)
    keeper = keeper_of(installation, [watch.metric for watch in watches])
    now_ms = installation.clock.now_ms()
    end = question.start_to
    start_from = beginning(question.start_from, question.since, now_ms, end)
    if start_from is None:
        start_from = (now_ms if end is None else end) - DEFAULT_DAYS * DAY_MS
    found: list[Anomaly] = []
    watched = left_out = 0
    cuts: list[int] = []
    with open_reading(installation) as reading:
        for watch in watches:
            of_metric = series_to_judge(
                installation, reading, watch, question, (start_from, None), keeper
            )
            watched += len(of_metric.items)
            left_out += of_metric.left_out
            cuts += [] if of_metric.cut_at is None else [of_metric.cut_at]
            for keyed in of_metric.items:
                since = int(np.searchsorted(keyed.starts, of_metric.judge_from))
                named = _named(watch, keyed, since)
                judged = installation.judged.judge(named, keyed.series, watch.alarms, since)
                found += [
                    _told(watch, keyed, judged, place, of_metric.begin)
                    for place in (judged.is_alarm.nonzero()[0] + judged.first).tolist()
                    if keyed.is_watched(place)
                ]
        seen = _seen(reading.snapshot, start_from, LATEST if end is None else end)
    found = [each for each in found if _is_asked_for(each, question, seen)]
    # Newest first, and those of one moment by what they are of.
    found.sort(key=_parts)
    found.sort(key=lambda each: each.window_start, reverse=True)
    rest = _after(found, question.cursor)
    page, fresh = rest[: question.limit], reading.freshness
    return AnomaliesPage(
        items=page,
        next_cursor=page[-1].id if len(rest) > len(page) else None,
        watched=watched,
        left_out=left_out,
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        history_from=iso_ms(max(cuts)) if cuts else None,
        warning=fresh.warning,
    )


def anomaly_page(installation: Installation, anomaly_id: str) -> AnomalyPage:
    """One anomaly, as it is now. Raises `NotThere` when its window is none any more, and
    `StoreUnavailable`."""
    start, (name, *key), begin = _read_place(anomaly_id)
    metric = find_metric(installation.metrics, name)
    equals: Texts = {name: (text,) for name, text in zip(metric.key_names, key, strict=False)}
    question = AnomaliesQuestion(metric=name, equals=equals, start_to=start + 1)
    (watch,) = watches_of(installation, question)
    with open_reading(installation) as reading:
        of_metric = series_to_judge(installation, reading, watch, question, (start, begin))
        seen = _seen(reading.snapshot, start, start + 1)
    for keyed in of_metric.items:
        if keyed.key != (tuple(key) or None) or keyed.starts[-1] != start:
            continue
        shown = max(0, len(keyed.starts) - _AROUND - 1)
        judged, _ = judge_since(keyed.series, watch.alarms, shown)
        if not judged.is_alarm[-1]:
            break
        told = _told(watch, keyed, judged, len(keyed.starts) - 1, begin)
        told.acknowledged = seen.get(_name_of(told))
        fresh = reading.freshness
        series = list(_points(keyed, judged))
        return AnomalyPage(told, series, **fresh.fields)
    raise NotThere(
        "nothing is out of the ordinary there any more",
        f"late events may have changed it; {ANOMALIES_PATH} tells what there is now",
    )


_Name = tuple[str, str]


def _seen(snapshot: StoreSnapshot, start_from: int, start_to: int) -> dict[_Name, Acknowledged]:
    """Who has seen which anomalies of a time, by series and start."""
    return {
        (each.series, iso_ms(each.window_start)): Acknowledged(each.by, iso_ms(each.at), each.note)
        for each in snapshot.acknowledgements(start_from, start_to)
    }


def _name_of(anomaly: Anomaly) -> _Name:
    """What an anomaly is acknowledged by: the same one, also where its history is cut elsewhere."""
    return _subject(anomaly.metric, tuple(anomaly.key.values())), anomaly.window_start


def _is_asked_for(
    anomaly: Anomaly, question: AnomaliesQuestion, seen: Mapping[_Name, Acknowledged]
) -> bool:
    anomaly.acknowledged = seen.get(_name_of(anomaly))
    if question.acknowledged is not None:
        is_wanted = question.acknowledged == "true"
        if (anomaly.acknowledged is not None) != is_wanted:
            return False
    return question.direction in ("both", anomaly.direction)


def watches_of(installation: Installation, question: AnomaliesQuestion) -> list[Watch]:
    """What is watched of that which is asked for. Raises `BadRequest` and `NotThere`."""
    if question.metric is not None:
        metric = find_metric(installation.metrics, question.metric)
        alarms = metric.alarms or USUAL
        measure = metric.measure_for(alarms)
        if measure is None:
            raise BadRequest(
                f"{metric.name} has nothing that adds up, so nothing to watch",
                "ask for a metric with a Count or a Sum",
            )
        return [Watch(metric, measure, alarms)]
    if question.equals:
        raise BadRequest("a key is one of a metric", "send metric=NAME with it")
    return [
        Watch(metric, measure, metric.alarms)
        for metric in installation.metrics
        if metric.alarms is not None and (measure := metric.measure_for(metric.alarms))
    ]


def series_to_judge(
    installation: Installation,
    reading: Reading,
    watch: Watch,
    question: AnomaliesQuestion,
    start_from: tuple[int, int | None],
    keeper: Keeper | None = None,
) -> SeriesFound:
    """The series of a metric, to be judged from a time on, and where their history begins. With a
    `keeper`, days that were read before and are the same are not read again."""
    unknown = set(question.equals) - set(watch.metric.key_names)
    if unknown:
        raise BadRequest(
            f"{min(unknown)} is no part of the key of {watch.metric.name}",
            "leave it away, or ask for a metric that has it",
        )
    watermark = reading.snapshot.progress.watermark(installation.allowed_lateness_ms)
    wanted = Wanted(
        measure=watch.measure,
        equals=question.equals,
        start_from=start_from[0],
        start_to=question.start_to,
        final_until=EARLIEST if watermark is None else watermark,
        begin=start_from[1],
    )
    return series_of(reading.snapshot, watch.metric, wanted, keeper)


def _named(watch: Watch, keyed: KeyedSeries, since: int) -> Named:
    """What a series is known again by, from the place `since` on: questions about days and about
    weeks take different histories."""
    metric = watch.metric
    days = (len(keyed.starts) - since) * step_ms(metric) // DAY_MS
    of = (metric.name, metric.fingerprint, watch.measure.name, keyed.key, days)
    step = step_ms(metric) if isinstance(metric.window, Window) else None
    return Named(of, int(keyed.starts[0]), step)


def _told(
    watch: Watch, keyed: KeyedSeries, judged: Judgement, place: int, begin: int | None
) -> Anomaly:
    """What is said of the window at a place. Where history was cut, its id says where it begins."""
    metric, start = watch.metric, int(keyed.starts[place])
    at = place - judged.first
    key = dict(zip(metric.key_names, keyed.key or (), strict=False))
    anomaly_id = _id(start, metric.name, tuple(key.values()), begin)
    observed, expected = float(keyed.series.values[place]), float(judged.expected[at])
    rank, compared = int(judged.rank[at]), int(judged.compared[at])
    of_some = {} if watch.measure.where is None else {"measure": watch.measure.name}
    window = {"metric": metric.name, **of_some, "window_start": iso_ms(start), **key}
    return Anomaly(
        id=anomaly_id,
        metric=metric.name,
        measure=watch.measure.name,
        key=key,
        window_start=iso_ms(start),
        window_end=iso_ms(metric.window.end_of(start)),
        direction="up" if observed > expected else "down",
        observed=observed,
        expected=expected,
        low=float(judged.low[at]),
        high=float(judged.high[at]),
        surprise=round(float(judged.surprise[at]), 2),
        rank=rank,
        compared=compared,
        final=place < keyed.series.final_count,
        says=_in_words(observed, expected, (rank, compared)),
        url=f"{ANOMALIES_PATH}/{anomaly_id}",
        events_url=f"/api/events?{urlencode(window)}",
    )


def roughly(number: float) -> str:
    """Two digits, or the whole of it: what is usual is no exact number."""
    return f"{number:,.0f}" if abs(number) >= 10 else f"{number:.2g}"


def _in_words(observed: float, expected: float, rarity: tuple[int, int]) -> str:
    rank, compared = rarity
    seen = "never" if rank == 0 else "once" if rank == 1 else f"{rank} times"
    return (
        f"{count(observed)} where {roughly(expected)} is usual: as far off {seen} "
        f"in the {compared:,} windows before"
    )


def _points(keyed: KeyedSeries, judged: Judgement) -> Iterator[PointOfSeries]:
    values = keyed.series.values[judged.first :]
    for place, start in enumerate(keyed.starts[judged.first :].tolist()):
        band: Sequence[float | None] = [
            float(value) if isfinite(value) else None  # The band is endless at the beginning.
            for value in (judged.expected[place], judged.low[place], judged.high[place])
        ]
        yield PointOfSeries(iso_ms(start), float(values[place]), *band)


def _parts(anomaly: Anomaly) -> list[str]:
    return [anomaly.metric, *anomaly.key.values()]


def _subject(metric: str, key: tuple[str, ...]) -> str:
    """What a series is of, as one text."""
    return msgspec.json.encode([metric, *key]).decode()


def _id(start: int, metric: str, key: tuple[str, ...], begin: int | None) -> str:
    cut = () if begin is None else (begin,)
    return write_cursor((start, _subject(metric, key), *cut))


def series_and_start(anomaly_id: str) -> tuple[str, int]:
    """What an anomaly is of, as one text, and when its window begins (UTC ms). Raises
    `NotThere`."""
    start, (metric, *key), _ = _read_place(anomaly_id)
    return _subject(metric, tuple(key)), start


def _read_id(text: str) -> tuple[int, list[str], int | None]:
    """When the window of an anomaly begins, its metric with its key, and where its history begins
    if it was cut (UTC ms). Raises `BadRequest`."""
    try:
        parts = read_cursor(text, (INSTANT, str)) or ()
    except BadRequest:
        parts = read_cursor(text, (INSTANT, str, INSTANT)) or ()
    start, subject, *begin = parts
    return int(start), _parts_of(str(subject)), int(begin[0]) if begin else None


def _read_place(anomaly_id: str) -> tuple[int, list[str], int | None]:
    """The same of an anomaly that somebody names. Raises `NotThere` for what names none."""
    try:
        return _read_id(anomaly_id)
    except BadRequest as error:
        raise NotThere(
            f"there is no anomaly {anomaly_id[:100]!r}",
            f"take an id that {ANOMALIES_PATH} or rtcdp anomalies tells",
        ) from error


def _parts_of(subject: str) -> list[str]:
    try:
        parts = msgspec.json.decode(subject, type=list[str])
    except msgspec.MsgspecError as error:
        raise _no_id() from error
    if not parts:
        raise _no_id()
    return parts


def _no_id() -> BadRequest:
    return BadRequest("that is no id of an anomaly", f"take one that {ANOMALIES_PATH} tells")


def _after(found: list[Anomaly], cursor: str | None) -> list[Anomaly]:
    if cursor is None:
        return found
    instant, parts, _ = _read_id(cursor)
    start = iso_ms(instant)
    return [
        each
        for each in found
        if each.window_start < start or (each.window_start == start and _parts(each) > parts)
    ]


def keys_of(metrics: Sequence[Metric]) -> Mapping[str, str]:
    """The fields that `equals` may name: those of any metric's key."""
    return {name: f"with `metric`: of this {name}" for each in metrics for name in each.key_names}
