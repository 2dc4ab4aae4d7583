"""By what a day of a table is known to be the one that was read before."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import KeptDays, Mark, Marks
from rtcdp.answers.metrics import is_incomplete
from rtcdp.clock import DAY_MS
from rtcdp.definitions import Count, Everything, Metric, RowTable, Table, Window, tables_of
from rtcdp.definitions.enrichment import stored_as
from rtcdp.definitions.products import PRODUCTS
from rtcdp.store import StoreSnapshot


@dataclass(frozen=True)
class Keeper:
    """Where days are kept, and the `metrics` that are whole: one that counts every event tells
    whether a day has changed of those that count none, which were once computed over all events.
    `erasures` is what tells that somebody else was erased: what an erasure takes out of side tables
    changes no sum."""

    days: KeptDays
    metrics: Sequence[Metric]
    erasures: Mark = None

    def marks_of_metric(self, snapshot: StoreSnapshot, metric: Metric) -> Marks | None:
        """By what days of a metric's tables are known again; None where nothing tells."""
        stored = stored_as(metric)
        products: Mark = None
        if stored is not None:
            sums = snapshot.daily_sums(PRODUCTS)
            if sums is None:
                return None
            products = tuple(sorted(sums.items()))
        table = None if stored is not None else _counted_in(metric)
        if table is None and metric in self.metrics and _has_days(metric):
            counting = (each for each in self.metrics if _counts_everything(each))
            table = next((_counted_in(each) for each in counting), None)
        return None if table is None else _marks(snapshot, table, (self.erasures, products))


def keeper_of(installation: Installation, metrics: Sequence[Metric]) -> Keeper:
    """The keeper for an answer about these metrics. To be asked before the snapshot is opened: what
    is whole by then is whole in it, and who was erased by then is not in it."""
    counting = next((each for each in installation.metrics if _counts_everything(each)), None)
    asked = [*metrics, *([] if counting is None else [counting])]
    whole = [each for each in asked if not is_incomplete(installation.store, each)]
    erased = [user.erased_at for user in installation.store.erased_users()]
    return Keeper(installation.days, whole, (len(erased), max(erased, default=0)))


def marks_of_rows(snapshot: StoreSnapshot, table: RowTable) -> Marks | None:
    """By what days of a row table, by the time of its rows, are known again; None where nothing
    tells."""
    return None if table.time is None else _marks(snapshot, table, None)


def _marks(snapshot: StoreSnapshot, table: Table | RowTable, more: Mark) -> Marks | None:
    sums = snapshot.daily_sums(table)
    if sums is None:
        return None
    floor, log = snapshot.floors.buckets_from, snapshot.progress.log_id
    return {
        day: (total, floor if floor and floor > day * DAY_MS else 0, log, more)
        for day, total in sums.items()
    }


def _counted_in(metric: Metric) -> Table | None:
    """The metric's table, if each event that it counts changes the sums of it."""
    is_counted = any(isinstance(each, Count) and each.where is None for each in metric.measures)
    return tables_of(metric)[0] if is_counted and stored_as(metric) is None else None


def _counts_everything(metric: Metric) -> bool:
    every = isinstance(metric.predicate, Everything) and metric.key in ((), ("eventType",))
    return every and _counted_in(metric) is not None and _has_days(metric)


def _has_days(metric: Metric) -> bool:
    """Whether an event and the buckets that it is in are of one day."""
    window = metric.window
    if not isinstance(window, Window) or DAY_MS % window.bucket_ms:
        return False
    return not window.is_written_out or window.size_ms == window.slide_ms
