"""What was known of a product at a time, looked up for one event after the other."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import get_args

import polars as pl

from rtcdp.definitions.products import PRODUCTS
from rtcdp.events.derived import Product, ProductAttribute
from rtcdp.store import StoreSnapshot

PRODUCTS_MAX = 10_000
"""So many products are remembered at once; of more, those that were looked up first are read
again."""

_COLUMNS: Mapping[str, str] = {name: Product(name).column for name in get_args(ProductAttribute)}
_Versions = tuple[list[int], list[dict[str, object]]]


class ProductsAsOf:
    """Reads the versions of products from one snapshot as they are asked for. For looking at single
    events, not for the hot path."""

    def __init__(self, snapshot: StoreSnapshot) -> None:
        self._snapshot = snapshot
        self._known: dict[str, _Versions] = {}

    def of_event(self, product_id: str | None, instant_ms: int) -> Mapping[str, object]:
        """The product's attributes as of a time (UTC ms), by the names of their columns; none where
        there is no product, or nothing was known of it."""
        if product_id is None:
            return {}
        begins, versions = self._versions_of(product_id)
        place = bisect_right(begins, instant_ms)
        return versions[place - 1] if place else {}

    def _versions_of(self, product_id: str) -> _Versions:
        found = self._known.get(product_id)
        if found is not None:
            return found
        if len(self._known) >= PRODUCTS_MAX:
            self._known.pop(next(iter(self._known)))
        asked = pl.DataFrame({PRODUCTS.group_key[0]: [product_id]})
        rows = self._snapshot.rows(PRODUCTS, asked).sort("validFrom")
        texts = rows.select(pl.col(name).alias(column) for name, column in _COLUMNS.items())
        found = self._known[product_id] = (rows["validFrom"].to_list(), texts.to_dicts())
        return found
