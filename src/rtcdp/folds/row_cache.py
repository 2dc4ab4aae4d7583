"""Rows that were just written, kept so that they need not be read again.

The store stays the truth: whoever uses this writes through, and drops it whenever it isn't known
what the store holds (a lost lease, a refused epoch, an unknown outcome).
"""

import polars as pl

from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.folds.kernel import LATEST_MS, Folded, RowsByKey
from rtcdp.folds.rows import empty_rows

ROWS_MAX = 1_000_000


class _Generation:
    """Some keys: from when on all their rows are known, and these rows."""

    def __init__(self, fold: Fold) -> None:
        self.rows = empty_rows(fold.columns)
        self.spans = pl.DataFrame(schema={fold.key: pl.String, RANGE_FROM: pl.Int64})


class RowCache:
    """The rows of one fold, in front of those of a store.

    Two generations make it forget what was not touched for longest: when the younger one is half
    as full as may be, it becomes the older one, and what was the older one is forgotten. A key
    without a row in reach counts like a row.
    """

    def __init__(self, fold: Fold, stored: RowsByKey, rows_max: int = ROWS_MAX) -> None:
        self._fold = fold
        self._stored = stored
        self._rows_max = rows_max
        self.hits = self.misses = 0
        self.drop()

    def drop(self) -> None:
        """Forget everything."""
        self._young, self._old = _Generation(self._fold), _Generation(self._fold)

    def reaches_before(self, instant_ms: int) -> bool:
        """Whether it holds rows from before a time."""
        time = pl.col(self._fold.step.order[0])
        return any(
            each.rows.select((time < instant_ms).any()).item() for each in (self._young, self._old)
        )

    @property
    def size(self) -> int:
        """How many rows, or keys if these are more, are kept."""
        return sum(max(each.rows.height, each.spans.height) for each in (self._young, self._old))

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """What `RowsByKey` promises, from here where it is known."""
        key = self._fold.key
        found, missing = [], spans
        for generation in (self._young, self._old):
            if generation.spans.is_empty() or missing.is_empty():
                continue
            known = generation.spans.rename({RANGE_FROM: "known from"})
            beside = missing.join(known, on=key, how="left")
            is_known = (pl.col("known from") <= pl.col(RANGE_FROM)).fill_null(False)
            hit, missing = beside.filter(is_known), beside.filter(~is_known).select(spans.columns)
            beside = generation.rows.join(hit.select(key, RANGE_FROM), on=key)
            time = self._fold.step.order[0]
            found.append(beside.filter(pl.col(time) >= pl.col(RANGE_FROM)).drop(RANGE_FROM))
        self.hits += spans.height - missing.height
        self.misses += missing.height
        if not missing.is_empty():
            found.append(self._stored.rows(missing.with_columns(pl.lit(LATEST_MS).alias(RANGE_TO))))
        return pl.concat(found) if found else empty_rows(self._fold.columns)

    def take(self, folded: Folded) -> None:
        """Remember what a batch wrote. To be called when it is known to be in the store."""
        key = self._fold.key
        for generation in (self._young, self._old):
            if not generation.spans.is_empty():
                generation.spans = generation.spans.join(folded.spans, on=key, how="anti")
                generation.rows = generation.rows.join(folded.spans, on=key, how="anti")
        young = self._young
        young.spans = pl.concat([young.spans, folded.spans.select(key, RANGE_FROM)])
        young.rows = pl.concat([young.rows, folded.rows])
        if max(young.rows.height, young.spans.height) * 2 >= self._rows_max:
            self._old, self._young = young, _Generation(self._fold)
