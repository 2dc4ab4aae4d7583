"""The catalog of metrics, and the windows of any of them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from rtcdp.api.answer import Context, answer, complete_from_header
from rtcdp.api.answers import DEFAULT_PAGE, MAX_PAGE, WindowQuery, windows
from rtcdp.api.cursor import write_cursor
from rtcdp.api.freshness import open_reading
from rtcdp.api.instant import iso_ms_or_none
from rtcdp.api.problem import NotThere
from rtcdp.api.query import (
    CURSOR,
    FROM,
    LIMIT,
    TO,
    QueryParameter,
    documented,
    names_of,
    read_query,
)
from rtcdp.store.store import Store
from rtcdp.vocabulary.measure import Count, Measure, TopK
from rtcdp.vocabulary.metric import Metric

_PAGED = (FROM, TO, LIMIT, CURSOR)
_KEY = QueryParameter("KEY", "a key field of the metric by its name, for example `userId=u1`")


class WindowDescription(msgspec.Struct):
    """`size_ms` long, a new one every `slide_ms`, aligned to 1970."""

    size_ms: int
    slide_ms: int


class MeasureDescription(msgspec.Struct, omit_defaults=True):
    """What is measured: `kind` is count, sum, average, minimum, maximum, distinct or topk."""

    name: str
    kind: str
    field: str | None = None
    k: int | None = None


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
    """Windows, newest first, then by key: the key fields, `window_start`, `window_end` and the
    measures, each by its name. `incomplete` is there while no engine has computed the metric over
    all events: it is new and being backfilled, or no running engine knows it. `complete_from` is
    there when older events were deleted before they could be counted in it, or its older windows:
    those that start before are not whole, and are left out or marked `partial`."""

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
    with open_reading(context) as reading:
        fresh = reading.freshness
    items = [_described(metric) for metric in context.metrics]
    return answer(Catalog(items, fresh.as_of_text, fresh.lag_ms, fresh.warning), fresh)


@get(
    "/api/metrics/{name:str}",
    summary="Windows of a metric",
    description="Newest first, then by key ascending. Filter by the metric's key fields.",
    operation_class=documented(_KEY, *_PAGED),
    sync_to_thread=True,
)
def metric_windows(
    request: Request[Any, Any, Any], context: Context, name: FromPath[str]
) -> Response[WindowsPage]:
    metric = find_metric(context.metrics, name)
    query = read_query(request, (*metric.key, *names_of(_PAGED)))
    wanted = WindowQuery(
        equals=query.equals(),
        start_from=query.instant("from"),
        start_to=query.instant("to"),
        limit=query.number("limit", default=DEFAULT_PAGE, most=MAX_PAGE),
        after=query.cursor((int, *(str for _ in metric.key))),
    )
    # Asked before the snapshot is taken: a backfill that ends in between is in it entirely.
    incomplete = _is_incomplete(context.store, metric)
    with open_reading(context) as reading:
        page = windows(reading.snapshot, metric, wanted)
    fresh = reading.freshness
    cursor = None if page.after is None else write_cursor(page.after)
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
        url=f"/api/metrics/{metric.name}",
    )


def _described_measure(measure: Measure) -> MeasureDescription:
    kind = type(measure).__name__.lower()
    if isinstance(measure, Count):
        return MeasureDescription(measure.name, kind)
    k = measure.k if isinstance(measure, TopK) else None
    return MeasureDescription(measure.name, kind, measure.field, k)
