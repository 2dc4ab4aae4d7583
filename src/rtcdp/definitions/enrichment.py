"""How a metric that is keyed by what is known of products rests in a store.

Nothing is looked up while events are counted. Such a metric is kept as two plain ones, keyed by
`productId` in its stead: one in the panes of its windows, and one in moments of a millisecond. Each
row of the first lies within one version of its product, unless a version begins inside of its pane;
then the rows of the second say what belongs before and what after. So whatever a product update
says, and whenever it comes, no row has to be rewritten, and every answer is exact.

Engines, stores and judges know the plain metrics alone; `rtcdp.answers.enriched` puts them
together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rtcdp.definitions.metric import Metric
from rtcdp.definitions.window import Window
from rtcdp.errors import UsageError
from rtcdp.events.derived import Product, Text

PRODUCT_ID = "productId"

_BY_PANE, _BY_MOMENT = "_of_products", "_of_moments"
NAME_LENGTH_MAX = 48 - len(_BY_PANE)
"""So long may the name of such a metric be."""


@dataclass(frozen=True)
class Stored:
    """The two metrics that one rests in, and the `attributes` of products that its key has."""

    by_pane: Metric
    by_moment: Metric
    attributes: tuple[Product, ...]


def attributes_of(metric: Metric) -> tuple[Product, ...]:
    """What of products the metric is keyed by."""
    return tuple(part for part in metric.key if isinstance(part, Product))


def stored_as(metric: Metric) -> Stored | None:
    """What a metric rests in that is keyed by what is known of products; None for others.

    Raises `UsageError` when its name is too long, or alarms are to watch it.
    """
    attributes = attributes_of(metric)
    if not attributes:
        return None
    if len(metric.name) > NAME_LENGTH_MAX:
        raise UsageError(
            f"{metric.name} is too long a name for a metric by what products are",
            f"use {NAME_LENGTH_MAX} letters at most: its tables have longer ones",
        )
    if metric.alarms is not None:
        raise UsageError(
            f"{metric.name} is keyed by what products are, and a late update of one would change"
            " what its alarms have told",
            "let alarms watch a metric keyed by productId",
        )
    others = [part for part in metric.key if not isinstance(part, Product)]
    key: tuple[Text, ...] = (*others, *(() if PRODUCT_ID in others else (PRODUCT_ID,)))
    window = metric.window
    panes = Window(window.pane_ms, window.pane_ms) if isinstance(window, Window) else window
    by_pane = replace(
        metric,
        name=metric.name + _BY_PANE,
        title=f"{metric.title}: by product",
        key=key,
        window=panes,
        part_of=metric,
    )
    by_moment = replace(
        by_pane,
        name=metric.name + _BY_MOMENT,
        title=f"{metric.title}: by product and millisecond",
        window=Window(1, 1),
    )
    return Stored(by_pane, by_moment, attributes)


def stored_metrics(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """The metrics that engines compute and stores hold, for a catalog of `metrics`."""
    found: list[Metric] = []
    for metric in metrics:
        stored = stored_as(metric)
        found += (metric,) if stored is None else (stored.by_pane, stored.by_moment)
    return tuple(found)
