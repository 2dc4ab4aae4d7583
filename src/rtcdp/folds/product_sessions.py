"""Products of a session, in order: what recommendations are made of.

A session here is a run of events that name a product, less than the gap apart; what happens between
them without one neither joins nor parts anything, and need not be read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

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
from rtcdp.definitions.predicate import Everything
from rtcdp.events.event import ADD_TO_CART, PURCHASE
from rtcdp.folds.rows import changes_in, fitting, in_order, row_schema
from rtcdp.folds.segments import numbered
from rtcdp.folds.sessions import Sessions

PRODUCTS_MAX = 200

SEEN, IN_CART, BOUGHT = "s", "c", "b"
"""What was done with a product, the letters of the column `deeds`."""

_DEEDS = (SEEN, IN_CART, BOUGHT)


@dataclass(frozen=True)
class ProductSessions(Step):
    """The `productId` of each of the `events` of a session, in order of time; the same one again at
    once is told once. Of more than `products_max` the last ones are told, of very long ones fewer
    (`LIST_BYTES`), and how many are left out. `cart` and `bought` are the events that put a product
    into the cart, and buy it.

    Raises `UsageError`, saying what to write instead.
    """

    called = "sessions of products"

    events: Predicate = Everything()
    cart: Predicate = event_type(ADD_TO_CART)
    bought: Predicate = event_type(PURCHASE)
    products_max: int = 50
    sessions: Sessions = Sessions()

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        is_long = not 2 <= self.products_max <= PRODUCTS_MAX
        yield is_long, f"{self.products_max} products", f"products_max from 2 to {PRODUCTS_MAX}"
        is_plain = self.sessions.by == "gap" and self.sessions.campaign is None
        yield not is_plain, "such sessions", "sessions that go by the gap alone"
        yield bool(self.sessions.exclude), "sessions with exclude", "events= instead"

    @property
    def order(self) -> tuple[str, ...]:
        return ("started_at",)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """`products` is a JSON list, `deeds` has a letter for each of them (`SEEN`, `IN_CART`,
        `BOUGHT`), `length` is how many these are, and `left_out` how many came before them."""
        return (
            RowColumn("started_at", "integer"),
            RowColumn("products", "text"),
            RowColumn("deeds", "text"),
            RowColumn("length", "integer"),
            RowColumn("left_out", "integer"),
        )

    @property
    def named_max(self) -> int:
        """Recommendations follow these rows, also where thousands change in a second."""
        return 8_000

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", "productId", *self.sessions.fields}
        for predicate in (self.events, self.cart, self.bought):
            asked |= fields_of_predicate(predicate)
        return tuple(sorted(asked))

    @property
    def reach(self) -> Reach:
        return self.sessions.reach

    @property
    def settled(self) -> str:
        return f"{{started_at}} + {self.sessions.longest_ms + self.sessions.gap_ms}"

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        return (
            field_column(key),
            ShownColumn("started_at", "instant", "{started_at}", "When the session began"),
            ShownColumn("products", "text", "{products}", "Each product in order, a JSON list"),
            ShownColumn(
                "deeds",
                "text",
                "{deeds}",
                "A letter for each: s is seen, c in the cart, b bought",
            ),
            ShownColumn("length", "integer", "{length}", "How many these are"),
            ShownColumn(
                "left_out",
                "integer",
                "{left_out}",
                f"How many came before the last {self.products_max}",
            ),
        )

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        return events.filter(to_expression(self.events) & pl.col("productId").is_not_null())

    def narrowed(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series] | None:
        return self.sessions.runs_touched(story, events, spans, key)

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        schema = row_schema((RowColumn(key, "text"), *self.columns))
        told = self.relevant(events.filter(pl.col(key).is_not_null()))
        told = self.sessions.started(told, key)
        if told.is_empty():
            return schema.to_frame()
        told = in_order(told, key, "session_start", "timestamp", "eventId", "productId")
        begins = changes_in(told, key, "session_start")
        is_other = begins | changes_in(told, "productId")
        firsts = np.flatnonzero(is_other)
        deeds = np.maximum.reduceat(told.select(self._deed())[:, 0].to_numpy(), firsts)
        units = numbered(begins)[firsts]
        lengths = np.bincount(units)
        place = lengths[units] - 1 - (np.arange(len(units)) - (np.cumsum(lengths) - lengths)[units])
        is_told = place < self.products_max
        quoted = pl.struct(product=pl.col("productId")).struct.json_encode().str.slice(11)
        named = told[firsts[is_told]].select(
            pl.col(key),
            pl.col("session_start").alias("started_at"),
            quoted.str.head(-1).alias("product"),
            pl.Series("deed", np.array(_DEEDS)[deeds[is_told]]),
        )
        rows = (
            named.filter(pl.Series(fitting(units[is_told], named["product"], latest=True)))
            .group_by(key, "started_at", maintain_order=True)
            .agg(
                pl.concat_str(pl.lit("["), pl.col("product").str.join(","), pl.lit("]")).alias(
                    "products"
                ),
                pl.col("deed").str.join("").alias("deeds"),
                pl.len().alias("length"),
            )
        )
        left_out = pl.Series("left_out", lengths) - rows["length"].cast(pl.Int64)
        return rows.with_columns(left_out.alias("left_out")).select(schema.names()).cast(schema)

    def _deed(self) -> pl.Expr:
        in_cart, bought = (to_expression(each) for each in (self.cart, self.bought))
        return pl.when(bought).then(2).when(in_cart).then(1).otherwise(0).cast(pl.Int64)
