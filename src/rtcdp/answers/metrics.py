"""The catalog of metrics, and the windows of any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from rtcdp.answers.cursor import INSTANT, Shape, cursor_after, read_cursor, write_cursor
from rtcdp.answers.export import ColumnType
from rtcdp.answers.freshness import FreshAnswer, Installation, WholeAnswer, open_reading
from rtcdp.answers.instant import EARLIEST, iso_ms_or_none
from rtcdp.answers.question import INSTANT as AS_INSTANT
from rtcdp.answers.question import (
    NAMES,
    NOW,
    Cursor,
    From,
    Limit,
    Since,
    Texts,
    To,
    beginning,
)
from rtcdp.answers.windows import (
    DEFAULT_PAGE,
    FINAL,
    MAX_PAGE,
    PARTIAL,
    WindowQuery,
    complete_from_of,
    windows,
)
from rtcdp.definitions import (
    Calendar,
    Measure,
    Metric,
    TopK,
    Window,
    field_name,
    measure_in_words,
    predicate_in_words,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.errors import BadRequest, NotInCatalog, NotThere, did_you_mean
from rtcdp.store import Store

METRICS_PATH = "/api/metrics/"
NAMESAKE = "user_page_view_counts"
"""The metric that the specification asks for by name."""


class WindowsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which windows of a metric. What `equals` may name are the fields of its key."""

    equals: Texts = {}
    start_from: From = None
    start_to: To = None
    since: Since = None
    at: Annotated[
        int | Literal["now"] | None,
        msgspec.Meta(
            description="the one window that had ended last at this time", extra=AS_INSTANT
        ),
    ] = None
    state: Annotated[
        Literal["open", "closed"] | None,
        msgspec.Meta(description="windows that have ended (closed), or that have not (open)"),
    ] = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor = None


class PageViewsQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which page views of a user."""

    limit: Limit = MAX_PAGE
    cursor: Cursor = None


class RecentPageViewsQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which page views of all users."""

    minutes: Annotated[
        int,
        msgspec.Meta(
            description="windows that ended within the last so many minutes",
            ge=1,
            le=366 * 24 * 60,
        ),
    ] = 5
    limit: Limit = MAX_PAGE
    cursor: Cursor = None


class WindowDescription(msgspec.Struct, omit_defaults=True):
    """`size_ms` long, a new one every `slide_ms`, aligned to 1970. Where there is a `unit` (day,
    week, month), that is so about, and each begins at midnight in the time zone `zone`."""

    size_ms: int
    slide_ms: int
    unit: str | None = None
    zone: str | None = None
    week_starts: str | None = None


class MeasureDescription(msgspec.Struct, omit_defaults=True):
    """What is measured: `kind` is the word of the vocabulary in snake_case, `says` puts it into
    words. `where` says which events it looks at, if not all of the metric; a ratio divides the
    measure `of` by the measure `to`."""

    name: str
    kind: str
    says: str
    field: str | None = None
    k: int | None = None
    q: float | None = None
    where: str | None = None
    of: str | None = None
    to: str | None = None


class MetricDescription(msgspec.Struct, omit_defaults=True):
    """One metric of the catalog. `fingerprint` changes when what is counted changes. While it is
    being filled from the log, `filled_percent` says how far that is."""

    name: str
    title: str
    description: str
    key: tuple[str, ...]
    window: WindowDescription
    measures: list[MeasureDescription]
    fingerprint: str
    url: str
    filled_percent: int | None = None


class Catalog(FreshAnswer, omit_defaults=True):
    """All metrics."""

    items: list[MetricDescription]


class WindowsPage(WholeAnswer, omit_defaults=True):
    """Windows, newest first, then by key: the key fields, `window_start`, `window_end`, the
    measures, each by its name, and `final`. `incomplete` is there while no engine has computed the
    metric over all events: it is new and being backfilled, or no running engine knows it.
    `complete_from` is there when older events were deleted before they could be counted in it, or
    its older windows: those that start before are not whole, and are left out or marked
    `partial`."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class PageViewWindow(msgspec.Struct):
    """The page views of a user in one window."""

    userId: str  # noqa: N815
    window_start: str
    window_end: str
    page_view_count: int


class PageViews(msgspec.Struct):
    """Whole windows, newest first. `complete_from` is the first that there may be, if not all are
    whole."""

    items: list[PageViewWindow]
    next_cursor: str | None
    complete_from: str | None
    as_of: str | None
    lag_ms: int | None
    warning: str | None


def catalog_page(installation: Installation) -> Catalog:
    """All metrics. Raises `StoreUnavailable`."""
    with open_reading(installation) as reading:
        fresh = reading.freshness
        ends = reading.snapshot.progress.next_offsets
    items = [_described(metric, installation.store, ends) for metric in installation.metrics]
    return Catalog(items, **fresh.fields)


def windows_page(
    installation: Installation, metric: Metric, question: WindowsQuestion
) -> WindowsPage:
    """A page of the metric's windows. Raises `BadRequest` and `StoreUnavailable`."""
    wanted = _wanted(metric, question, installation.clock.now_ms())
    # Asked before the snapshot is taken: a backfill that ends in between is in it entirely.
    incomplete = is_incomplete(installation.store, metric)
    with open_reading(installation) as reading:
        watermark = reading.snapshot.progress.watermark(installation.allowed_lateness_ms)
        final_until = EARLIEST if watermark is None else watermark
        page = windows(reading.snapshot, metric, replace(wanted, final_until=final_until))
    border = () if wanted.last_from is None else (wanted.last_from,)
    return WindowsPage(
        items=page.items,
        next_cursor=None if page.after is None else write_cursor((*border, *page.after)),
        incomplete=incomplete,
        complete_from=iso_ms_or_none(page.complete_from),
        **reading.freshness.fields,
    )


def types_of_windows(metric: Metric) -> dict[str, ColumnType]:
    """The columns that windows may have, in their order, and what is in them."""
    found: dict[str, ColumnType] = dict.fromkeys(metric.key_names, "text")
    found |= dict.fromkeys(("window_start", "window_end"), "instant")
    found |= {measure.name: measure.value_type for measure in metric.measures}
    return {**found, FINAL: "boolean", PARTIAL: "boolean"}


def counted_in(metric: Metric) -> dict[str, str]:
    """What the top lists of a metric count, by the names of their measures."""
    return {each.name: field_name(each.field) for each in metric.measures if isinstance(each, TopK)}


def page_views(
    installation: Installation,
    question: PageViewsQuestion | RecentPageViewsQuestion,
    user_id: str | None = None,
) -> PageViews:
    """Page views of a user, or of all, in whole windows: nothing in a bare row could tell that it
    is not whole. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    metric = next((metric for metric in installation.metrics if metric.name == NAMESAKE), None)
    if metric is None:
        raise NotThere(f"there is no metric {NAMESAKE} here", "add its file to the catalog")
    start_from = None
    if isinstance(question, RecentPageViewsQuestion):
        ended_after = installation.clock.now_ms() - question.minutes * 60_000
        start_from = metric.window.first_open(ended_after)
    wanted = WindowQuery(
        equals={} if user_id is None else {"userId": user_id},
        start_from=start_from,
        limit=question.limit,
        after=read_cursor(question.cursor, (INSTANT, str)),
    )
    with open_reading(installation) as reading:
        whole_from = complete_from_of(reading.snapshot, metric)
        if whole_from is not None:
            wanted = replace(wanted, start_from=max(whole_from, wanted.start_from or whole_from))
        page = windows(reading.snapshot, metric, wanted)
    return PageViews(
        items=msgspec.convert(page.items, list[PageViewWindow]),
        next_cursor=cursor_after(page.after),
        complete_from=iso_ms_or_none(page.complete_from),
        **reading.freshness.fields,
    )


def _wanted(metric: Metric, question: WindowsQuestion, now_ms: int) -> WindowQuery:
    """What is asked for, up to the pages before."""
    first_open = metric.window.first_open(now_ms)
    state = question.state
    leads_with_closed = metric.window.overlap > 1 and state is None and question.at is None
    position: tuple[Shape, ...] = (INSTANT, *([str] * len(metric.key_names)))
    after = read_cursor(question.cursor, (INSTANT, *position) if leads_with_closed else position)
    if after is not None and leads_with_closed:
        # What was open on the first page is so on all, lest windows fall through the border.
        first_open, after = int(after[0]), after[1:]
    start_to = question.start_to
    start_from = beginning(question.start_from, question.since, now_ms, start_to)
    if question.at is not None:
        start_from, start_to = _one_window(metric, question, now_ms)
    if state == "open":
        start_from = first_open if start_from is None else max(start_from, first_open)
    if state == "closed":
        start_to = first_open if start_to is None else min(start_to, first_open)
    return WindowQuery(
        equals=question.equals,
        start_from=start_from,
        start_to=start_to,
        limit=question.limit,
        after=after,
        last_from=first_open if leads_with_closed else None,
    )


def _one_window(metric: Metric, question: WindowsQuestion, now_ms: int) -> tuple[int, int]:
    """The start of the newest window that had ended at the time `at`, and what follows it."""
    ranges = {
        "from": question.start_from,
        "to": question.start_to,
        "since": question.since,
        "state": question.state,
    }
    others = [name for name, given in ranges.items() if given is not None]
    if others:
        raise BadRequest(f"at names one window, and {others[0]} a range", "send one of them")
    assert question.at is not None
    instant = now_ms if question.at == NOW else int(question.at)
    start = metric.window.last_ended(instant)
    return start, start + 1


def is_incomplete(store: Store, metric: Metric) -> bool:
    """Whether no engine has computed the metric over all events yet."""
    return any(
        part.name not in store.metrics() or store.backfill_offsets(part.name) is not None
        for part in stored_metrics([metric])
    )


def find_metric(metrics: Sequence[Metric], name: str) -> Metric:
    """Raises `NotThere`, naming the metrics that are there."""
    for metric in metrics:
        if metric.name == name:
            return metric
    known = [metric.name for metric in metrics]
    raise NotInCatalog(
        f"there is no metric {name[:100]!r}",
        f"{did_you_mean(name, known)}ask for one of: {', '.join(known)}",
    )


def _filled_percent(store: Store, metric: Metric, ends: Mapping[int, int]) -> int | None:
    """How much of what is counted the metric's backfill has come through; None when it is done, or
    has nothing to do."""
    if not any(ends.values()):
        return None
    known, parts = store.metrics(), stored_metrics([metric])
    offsets = [store.backfill_offsets(part.name) for part in parts if part.name in known]
    percents = [
        min(99, 100 * sum(done.values()) // sum(ends.values()))
        for done in offsets
        if done is not None
    ]
    return min(percents, default=None)


def _described(metric: Metric, store: Store, ends: Mapping[int, int]) -> MetricDescription:
    return MetricDescription(
        name=metric.name,
        title=metric.title,
        description=metric.description,
        key=metric.key_names,
        window=_described_window(metric.window),
        measures=[_described_measure(measure) for measure in metric.measures],
        fingerprint=metric.fingerprint,
        url=f"{METRICS_PATH}{metric.name}",
        filled_percent=_filled_percent(store, metric, ends),
    )


def _described_window(window: Window | Calendar) -> WindowDescription:
    if isinstance(window, Window):
        return WindowDescription(window.size_ms, window.slide_ms)
    starts = window.week_starts if window.unit == "week" else None
    return WindowDescription(window.size_ms, window.slide_ms, window.unit, window.zone, starts)


def _described_measure(measure: Measure) -> MeasureDescription:
    where = None if measure.where is None else predicate_in_words(measure.where)
    options = {name: getattr(measure, name, None) for name in ("field", "k", "q", "of", "to")}
    if options["field"] is not None:
        options["field"] = field_name(options["field"])
    return MeasureDescription(
        measure.name, measure.kind, measure_in_words(measure), where=where, **options
    )
