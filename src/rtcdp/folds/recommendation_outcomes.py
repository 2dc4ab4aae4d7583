"""What came of recommendations: which were shown, clicked, and led to a purchase.

An answer names itself, and its name says what it was, whether to somebody who is held out, and
when. Events that follow from it carry that name; so nothing has to be kept of what was answered,
and what was never shown is in no number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.definitions import (
    Predicate,
    Reach,
    RowColumn,
    ShownColumn,
    Step,
    event_type,
    field_column,
    fields_of_predicate,
    to_expression,
)
from rtcdp.definitions.measures.exact_sum import sum_parts
from rtcdp.errors import UsageError
from rtcdp.events.derived import Property
from rtcdp.events.event import PURCHASE
from rtcdp.folds.joins import WITHIN_MS_MAX
from rtcdp.folds.rows import changes_in, empty_rows, row_schema
from rtcdp.folds.segments import first_places

RECOMMENDATION_SHOWN = "RECOMMENDATION_SHOWN"

Group = Literal["recommended", "held_out"]
GROUPS: tuple[Group, ...] = ("recommended", "held_out")

_NAME = Property("recommendationId")
_PARTS = r"^(user|product|basket)-(recommended|held_out)-([0-9]{13})-[0-9a-f]{16}$"
_STARTED, _ID = "counted_from", "recommendation_id"
_UNITS, _MICROS = sum_parts("value", "value")


class RecommendationName(NamedTuple):
    """What the name of an answer says: for a user, a product or a basket, to which group, when (UTC
    ms), and what tells it from others of that time."""

    kind: Literal["user", "product", "basket"]
    group: Group
    at_ms: int
    mark: int

    @property
    def text(self) -> str:
        """As answers and events have it."""
        return f"{self.kind}-{self.group}-{self.at_ms:013d}-{self.mark:016x}"


@dataclass(frozen=True)
class RecommendationOutcomes(Step):
    """Each recommendation that an event of a user carries the name of (`recommendationId` among its
    properties), from `early_ms` before it was given, for clocks that are behind, to `within_ms`
    after. Events of `shown` show it, those of `bought` buy, and all others click.

    A purchase counts once as bought: for the recommendation that it names, or else for the one from
    which its product was clicked last before. It counts once as what came after: for the one that
    the user was shown, or clicked, last before. Neither counts beyond the time.

    Raises `UsageError`, saying what to write instead.
    """

    shown_by: Predicate = event_type(RECOMMENDATION_SHOWN)
    bought: Predicate = event_type(PURCHASE)
    within_ms: int = 7 * DAY_MS
    early_ms: int = HOUR_MS

    def __post_init__(self) -> None:
        for is_wrong, what, instead in _faults(self):
            if is_wrong:
                raise UsageError(f"recommendations can't have {what}", f"write {instead}")

    @property
    def kind(self) -> Literal["merging", "sequence"]:
        return "sequence"

    @property
    def order(self) -> tuple[str, ...]:
        return (_STARTED, _ID)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """Sums are whole units and millionths, which add up to the same in any order."""
        return (
            RowColumn(_STARTED, "integer"),
            RowColumn(_ID, "text"),
            RowColumn("kind", "text"),
            RowColumn("audience", "text"),
            RowColumn("shown_at", "integer"),
            RowColumn("click_count", "integer"),
            RowColumn("clicked_at", "integer"),
            RowColumn("purchase_count", "integer"),
            *(RowColumn(f"revenue_{part}", "integer") for part in ("units", "micros")),
            RowColumn("purchase_count_after", "integer"),
            *(RowColumn(f"revenue_after_{part}", "integer") for part in ("units", "micros")),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", "productId", "value", _NAME.column}
        return tuple(
            sorted(asked | fields_of_predicate(self.shown_by) | fields_of_predicate(self.bought))
        )

    @property
    def reach(self) -> Reach:
        """Whole hours: of one that is full, an earlier event takes the last one out."""
        return Reach(self.early_ms + self.within_ms, 0, HOUR_MS)

    @property
    def settled(self) -> str:
        return f"{{{_STARTED}}} + {self.early_ms + self.within_ms}"

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        when = f"({{{_STARTED}}} + {self.early_ms})"
        return (
            field_column(key),
            ShownColumn(
                _STARTED,
                "instant",
                f"{{{_STARTED}}}",
                "From when on events count: for clocks that are behind, before it was given",
            ),
            ShownColumn("recommended_at", "instant", when, "When it was given"),
            ShownColumn(_ID, "text", f"{{{_ID}}}", "Its name, as events carry it"),
            ShownColumn("kind", "text", "{kind}", "What it was for: user, product or basket"),
            ShownColumn("audience", "text", "{audience}", "recommended, or held_out"),
            ShownColumn("shown_at", "instant", "{shown_at}", "When it was first shown, if told"),
            ShownColumn("click_count", "integer", "{click_count}", "How often it was clicked"),
            ShownColumn("clicked_at", "instant", "{clicked_at}", "When it was first clicked"),
            ShownColumn("purchase_count", "integer", "{purchase_count}", "What it led to buying"),
            ShownColumn("revenue", "real", _summed("revenue"), "The sum of their values"),
            ShownColumn(
                "purchase_count_after",
                "integer",
                "{purchase_count_after}",
                "What the user bought after it, before seeing another one",
            ),
            ShownColumn(
                "revenue_after", "real", _summed("revenue_after"), "The sum of their values"
            ),
        )

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        return events.filter(pl.col(_NAME.column).is_not_null() | to_expression(self.bought))

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        columns = (RowColumn(key, "text"), *self.columns)
        told = self._told(self.relevant(events.filter(pl.col(key).is_not_null())), key)
        named = told.filter(pl.col(_ID).is_not_null())
        if named.is_empty():
            return empty_rows(columns)
        is_click = ~pl.col("is shown") & ~pl.col("is bought")
        bought, after = self._bought(told, key)
        at = pl.col("timestamp")
        rows = named.group_by(key, _STARTED, _ID, "kind", "audience").agg(
            at.filter("is shown").min().alias("shown_at"),
            is_click.sum().alias("click_count"),
            at.filter(is_click).min().alias("clicked_at"),
        )
        for purchases, suffix in ((bought, ""), (after, "_after")):
            sums = purchases.group_by(key, _ID).agg(
                pl.len().alias(f"purchase_count{suffix}"),
                pl.col("units").sum().alias(f"revenue{suffix}_units"),
                pl.col("micros").sum().alias(f"revenue{suffix}_micros"),
            )
            rows = rows.join(sums, on=[key, _ID], how="left")
        counted = [name for name, _ in self.columns if name.startswith(("purchase", "revenue"))]
        schema = row_schema(columns)
        return rows.with_columns(pl.col(counted).fill_null(0)).select(schema.names()).cast(schema)

    def _told(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        """What the events say, in order; of a recommendation, where they name one in time."""
        part = {name: pl.col(_NAME.column).str.extract(_PARTS, n) for n, name in _GROUP_OF.items()}
        started = part[_STARTED].cast(pl.Int64) - self.early_ms
        since = pl.col("timestamp") - started
        is_named = since.is_between(0, self.early_ms + self.within_ms).fill_null(False)
        when = [
            pl.when(is_named).then(value).alias(name)
            for name, value in {**part, _STARTED: started, _ID: pl.col(_NAME.column)}.items()
        ]
        return events.select(
            key,
            "timestamp",
            "productId",
            pl.col("eventId").fill_null(""),
            *when,
            to_expression(self.bought).alias("is bought"),
            (to_expression(self.shown_by) & ~to_expression(self.bought)).alias("is shown"),
            *(
                pl.sql_expr(part.each).cast(pl.Int64).fill_null(0).alias(name)
                for part, name in ((_UNITS, "units"), (_MICROS, "micros"))
            ),
        )

    def _bought(self, told: pl.DataFrame, key: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The purchases with the recommendation that led to each, and with the one after which it
        came; none where there is none."""
        is_buyer, is_named = pl.col("is bought"), pl.col(_ID).is_not_null()
        is_click = ~pl.col("is shown") & ~is_buyer & pl.col("productId").is_not_null()
        own = told.filter(is_buyer & is_named)
        asking = told.filter(is_buyer & ~is_named)
        by_click = self._last_before(
            told.filter(is_named & is_click), asking.drop_nulls("productId"), (key, "productId")
        )
        by_sight = self._last_before(told.filter(is_named & ~is_buyer), asking, (key,))
        return pl.concat([own, by_click]), pl.concat([own, by_sight])

    def _last_before(
        self, named: pl.DataFrame, asking: pl.DataFrame, unit: tuple[str, ...]
    ) -> pl.DataFrame:
        """Each purchase that is asking with the recommendation that was named last before it in its
        unit, if it came in its time. What happens at once comes before."""
        both = pl.concat([named, asking]).sort(*unit, "timestamp", "is bought", _STARTED, _ID)
        if both.is_empty():
            return both
        is_named = both[_ID].is_not_null().to_numpy()
        place = np.where(is_named, np.arange(both.height), -1)
        last = np.maximum.accumulate(place)
        is_known = ~is_named & (last >= first_places(changes_in(both, *unit)))
        source = both[np.maximum(last, 0)].select(_STARTED, _ID)
        found = both.with_columns(source).filter(pl.Series(is_known))
        ends = pl.col(_STARTED) + self.early_ms + self.within_ms
        return found.filter(pl.col("timestamp") <= ends)


_GROUP_OF = {1: "kind", 2: "audience", 3: _STARTED}
"""What each group of the pattern is."""


def _summed(name: str) -> str:
    """SQL for a sum of whole units and millionths. By a constant, Polars would multiply with its
    inverse, which is another number."""
    units, micros = f"{{{name}_units}}", f"{{{name}_micros}}"
    million = f"CAST({micros} * 0 + 1000000 AS DOUBLE PRECISION)"
    return f"CAST({units} * 1000000 + {micros} AS DOUBLE PRECISION) / {million}"


def _faults(step: RecommendationOutcomes) -> Iterator[tuple[bool, str, str]]:
    """What makes no sense, and what to write instead, each with whether it is so."""
    is_long = not 0 < step.within_ms <= WITHIN_MS_MAX
    yield is_long, "no time or more than a year", "within_ms above 0, a year at most"
    is_early = not 0 <= step.early_ms <= DAY_MS
    yield is_early, "clocks that are more than a day behind", "early_ms from 0 to a day"
