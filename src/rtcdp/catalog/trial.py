"""What a definition makes of a few events, tried before it is taken.

Types and names can be looked at; whether a definition computes anything can't. One that fails on
every event would fail the engine, which then sets every event aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import polars as pl

from rtcdp.definitions import (
    BUCKET_START,
    Fault,
    Fold,
    Metric,
    States,
    fields_of,
    in_polars,
    side_table_name,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.folding import columns_of
from rtcdp.engines.native.lowering import changes_of
from rtcdp.errors import UsageError
from rtcdp.events.columns import decode_lines
from rtcdp.folds.kernel import fold_batch
from rtcdp.folds.rows import empty_rows
from rtcdp.folds.timeline import timeline_of

_FIRST_MS = 1_772_359_200_000
_EVENTS = (
    ("ada", "PAGE_VIEW", 0, "/a", "p1", 1.5),
    ("ada", "ADD_TO_CART", 0, "https://shop.example/b?c#d", "p1", None),
    ("ada", "PURCHASE", 60_000, None, None, -2.0),
    ("bob", "SEARCH", 90_000_000, "/a", "p2", 0.0),
    ("bob", "PAGE_VIEW", 90_000_001, "/b", None, 8_000_000_000.0),
)
_HINT = "mend what it is made of, and ask again: rtcdp check DIR"


def faults_in_trial(definition: Metric | Fold) -> list[Fault]:
    """What goes wrong when a few events of all kinds are counted; empty when nothing does."""
    try:
        if isinstance(definition, Fold):
            _try_fold(definition)
        else:
            for metric in stored_metrics([definition]):
                _try_metric(metric)
    except UsageError as error:
        return [Fault(str(error), error.hint)]
    except Exception as error:  # noqa: BLE001 - whatever a user's code may raise
        said = str(error).partition("\n")[0][:300]
        return [Fault(f"it can't be computed: {type(error).__name__}: {said}", _HINT)]
    return []


def _try_metric(metric: Metric) -> None:
    events = _sample(fields_of((metric,)))
    found = {change.table.name: change.rows for change in changes_of((metric,), events)}
    rows = found.get(metric.name)
    if rows is None:
        rows = next(iter(found.values()), None)
    if rows is None:
        return
    values: dict[str, list[object]] = {}
    for measure in metric.measures:
        side = found.get(side_table_name(metric, measure))
        if measure.side() is None or side is not None:
            states = States(rows, (BUCKET_START, *metric.key_names), side, values)
            values[measure.name] = measure.final(states)


def _try_fold(fold: Fold) -> None:
    table, telling = fold.table, timeline_of(fold)
    asked = {*telling.columns, *columns_of(fold)} - {"timestamp", "source"}
    events = _sample(sorted(asked)).select(columns_of(fold))
    first, second = events.head(2), events.slice(2)
    folded = fold_batch(fold, first, _Stored(empty_rows(fold.columns)), _Told(first))
    folded = fold_batch(fold, second, _Stored(folded.rows), _Told(events))
    view = table.view
    assert view is not None, "a fold has a view"
    shown = [in_polars(each.sql).alias(each.field) for each in view.columns]
    if view.settled is not None:
        shown.append(in_polars(view.settled).alias("settled"))
    folded.rows.select(shown)


@dataclass(frozen=True)
class _Stored:
    """Rows that rest somewhere."""

    all: pl.DataFrame

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        return self.all.join(spans, on=self.all.columns[0], how="semi")


@dataclass(frozen=True)
class _Told:
    """The stories so far."""

    all: pl.DataFrame

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        return self.all.join(spans, on=self.all.columns[0], how="semi")


def _sample(fields: tuple[str, ...] | list[str]) -> pl.DataFrame:
    """A few events, with the columns `fields`, `source` and `timestamp`."""
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in _events())
    return decode_lines(lines, len(_EVENTS), fields).with_columns(pl.lit("http").alias("source"))


def _events() -> Iterator[dict[str, object]]:
    for number, (user, event_type, after_ms, page, product, value) in enumerate(_EVENTS):
        fields = {
            "eventId": f"e{number}",
            "userId": user,
            "sessionId": f"of-{user}",
            "timestamp": _FIRST_MS + after_ms,
            "eventType": event_type,
            "pageUrl": page,
            "productId": product,
            "value": value,
            "properties": {"country": "DE", "quantity": number},
        }
        yield {name: text for name, text in fields.items() if text is not None}
