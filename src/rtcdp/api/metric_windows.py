"""The catalog of metrics, and the windows of any of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from rtcdp.answers.cursor import INSTANT, Shape, write_cursor
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.instant import EARLIEST, iso_ms_or_none
from rtcdp.answers.windows import DEFAULT_PAGE, MAX_PAGE, WindowQuery, windows
from rtcdp.api.context import ApiContext, Context, answer, complete_from_header
from rtcdp.api.parameter import (
    CURSOR,
    FROM,
    NOW,
    SINCE,
    TO,
    QueryParameter,
    documented,
    instant_or_now,
    limit,
    text,
    words,
)
from rtcdp.api.query import Query, read_query
from rtcdp.api.row_schema import answer_schema
from rtcdp.api.validators import KEPT, tag_of
from rtcdp.definitions import Measure, Metric, measure_in_words, predicate_in_words
from rtcdp.errors import BadRequest, NotThere
from rtcdp.store import Store

State = Literal["open", "closed"]
_PREFIX = "/api/metrics/"

_PARAMETERS = (
    FROM,
    TO,
    SINCE,
    instant_or_now("at", "the one window that had ended last at this time"),
    words("state", "windows that have ended (closed), or that have not (open)", get_args(State)),
    limit(DEFAULT_PAGE, MAX_PAGE),
    CURSOR,
)


class WindowDescription(msgspec.Struct):
    """`size_ms` long, a new one every `slide_ms`, aligned to 1970."""

    size_ms: int
    slide_ms: int


class MeasureDescription(msgspec.Struct, omit_defaults=True):
    """What is measured: `kind` is count, sum, average, minimum, maximum, distinct, topk or ratio,
    `says` puts it into words. `where` says which events it looks at, if not all of the metric; a
    ratio divides the measure `of` by the measure `to`."""

    name: str
    kind: str
    says: str
    field: str | None = None
    k: int | None = None
    where: str | None = None
    of: str | None = None
    to: str | None = None


class MetricDescription(msgspec.Struct):
    """One metric of the catalog. `fingerprint` changes when what is counted changes."""

    name: str
    title: str
    description: str
    key: tuple[str, ...]
    window: WindowDescription
    measures: list[MeasureDescription]
    fingerprint: str
    url: str


class Catalog(msgspec.Struct, omit_defaults=True):
    """All metrics."""

    items: list[MetricDescription]
    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


class WindowsPage(msgspec.Struct, omit_defaults=True):
    """Windows, newest first, then by key: the key fields, `window_start`, `window_end`, the
    measures, each by its name, and `final`. `incomplete` is there while no engine has computed the
    metric over all events: it is new and being backfilled, or no running engine knows it.
    `complete_from` is there when older events were deleted before they could be counted in it, or
    its older windows: those that start before are not whole, and are left out or marked
    `partial`."""

    items: list[dict[str, Any]]
    next_cursor: str | None
    as_of: str | None
    lag_ms: int | None
    incomplete: bool = False
    complete_from: str | None = None
    warning: str | None = None


@get(
    "/api/metrics",
    summary="The catalog of metrics",
    operation_class=documented(),
    sync_to_thread=True,
)
def list_metrics(request: Request[Any, Any, Any], context: Context) -> Response[Catalog]:
    read_query(request, ())
    with open_reading(context.installation) as reading:
        fresh = reading.freshness
    items = [_described(metric) for metric in context.installation.metrics]
    catalog = Catalog(items, fresh.as_of_text, fresh.lag_ms, fresh.warning)
    return answer(catalog, fresh, {**KEPT, "ETag": tag_of(msgspec.json.encode(items))})


def metric_handlers(metrics: Sequence[Metric]) -> list[HTTPRouteHandler]:
    """A route for each metric, described by what the metric is; and one for all other names."""

    @get(f"{_PREFIX}{{name:str}}", include_in_schema=False, sync_to_thread=True)
    def unknown_metric(name: FromPath[str]) -> None:
        find_metric(metrics, name)

    return [*(_handler(metric) for metric in metrics), unknown_metric]


def _handler(metric: Metric) -> HTTPRouteHandler:
    order = "Newest first, then by key."
    if metric.window.overlap > 1:
        order += " Windows that are still open come last: they hold only part of their time."

    @get(
        f"{_PREFIX}{metric.name}",
        summary=metric.title,
        description=f"{metric.description} {order}".strip(),
        operation_class=documented(*parameters_of(metric), answer=answer_schema(metric)),
        sync_to_thread=True,
    )
    def metric_windows(request: Request[Any, Any, Any], context: Context) -> Response[WindowsPage]:
        return _windows(request, context, metric)

    return metric_windows


def _windows(
    request: Request[Any, Any, Any], context: ApiContext, metric: Metric
) -> Response[WindowsPage]:
    query = read_query(request, parameters_of(metric))
    now_ms = context.installation.clock.now_ms()
    wanted = _wanted(metric, query, now_ms)
    # Asked before the snapshot is taken: a backfill that ends in between is in it entirely.
    incomplete = _is_incomplete(context.installation.store, metric)
    with open_reading(context.installation) as reading:
        watermark = reading.snapshot.progress.watermark(context.installation.allowed_lateness_ms)
        final_until = EARLIEST if watermark is None else watermark
        page = windows(reading.snapshot, metric, replace(wanted, final_until=final_until))
    fresh = reading.freshness
    border = () if wanted.last_from is None else (wanted.last_from,)
    cursor = None if page.after is None else write_cursor((*border, *page.after))
    found = WindowsPage(
        items=page.items,
        next_cursor=cursor,
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        incomplete=incomplete,
        complete_from=iso_ms_or_none(page.complete_from),
        warning=fresh.warning,
    )
    return answer(found, fresh, complete_from_header(page.complete_from))


def parameters_of(metric: Metric) -> tuple[QueryParameter, ...]:
    """What the windows of a metric can be asked with: its key fields, and what every metric has."""
    return (*(text(name, f"windows of this {name}") for name in metric.key), *_PARAMETERS)


def _wanted(metric: Metric, query: Query, now_ms: int) -> WindowQuery:
    """What the query asks for, up to the pages before."""
    first_open = now_ms - metric.window.size_ms + 1
    state = query.one_of("state", get_args(State))
    leads_with_closed = metric.window.overlap > 1 and state is None and query.text("at") is None
    position: tuple[Shape, ...] = (INSTANT, *([str] * len(metric.key)))
    after = query.cursor((INSTANT, *position) if leads_with_closed else position)
    if after is not None and leads_with_closed:
        # What was open on the first page is so on all, lest windows fall through the border.
        first_open, after = int(after[0]), after[1:]
    start_from, start_to = query.start(lambda: now_ms), query.instant("to")
    if query.text("at") is not None:
        start_from, start_to = _one_window(metric, query, now_ms)
    if state == "open":
        start_from = first_open if start_from is None else max(start_from, first_open)
    if state == "closed":
        start_to = first_open if start_to is None else min(start_to, first_open)
    return WindowQuery(
        equals=query.equals(),
        start_from=start_from,
        start_to=start_to,
        limit=query.number("limit", default=DEFAULT_PAGE, most=MAX_PAGE),
        after=after,
        last_from=first_open if leads_with_closed else None,
    )


def _one_window(metric: Metric, query: Query, now_ms: int) -> tuple[int, int]:
    """The start of the newest window that had ended at the time `at`, and what follows it."""
    others = [name for name in ("from", "to", "since", "state") if name in query.values]
    if others:
        raise BadRequest(f"at names one window, and {others[0]} a range", "send one of them")
    instant = now_ms if query.text("at") == NOW else query.instant("at")
    assert instant is not None
    window = metric.window
    start = (instant - window.size_ms) // window.slide_ms * window.slide_ms
    return start, start + 1


def _is_incomplete(store: Store, metric: Metric) -> bool:
    return metric.name not in store.metrics() or store.backfill_offsets(metric.name) is not None


def find_metric(metrics: Sequence[Metric], name: str) -> Metric:
    """Raises `NotThere`, naming the metrics that are there."""
    for metric in metrics:
        if metric.name == name:
            return metric
    known = ", ".join(metric.name for metric in metrics)
    raise NotThere(f"there is no metric {name[:100]!r}", f"ask for one of: {known}")


def _described(metric: Metric) -> MetricDescription:
    return MetricDescription(
        name=metric.name,
        title=metric.title,
        description=metric.description,
        key=metric.key,
        window=WindowDescription(metric.window.size_ms, metric.window.slide_ms),
        measures=[_described_measure(measure) for measure in metric.measures],
        fingerprint=metric.fingerprint,
        url=f"{_PREFIX}{metric.name}",
    )


def _described_measure(measure: Measure) -> MeasureDescription:
    where = None if measure.where is None else predicate_in_words(measure.where)
    options = {name: getattr(measure, name, None) for name in ("field", "k", "of", "to")}
    return MeasureDescription(
        measure.name, measure.kind, measure_in_words(measure), where=where, **options
    )
