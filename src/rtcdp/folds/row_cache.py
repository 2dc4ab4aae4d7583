"""What was just read or written by key and time, kept so that it need not be read again.

The store stays the truth: whoever uses this writes through, and drops it whenever it isn't known
what the store holds (a lost lease, a refused epoch, an unknown outcome).
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from rtcdp.clock import LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.folds.kernel import Folded, RowsByKey
from rtcdp.folds.rows import empty_rows

ROWS_MAX = 1_000_000

_TURNS, _PUT, _PLACE = "turns", "a put", "a place"
_KNOWN_FROM, _KNOWN_TURNS, _KNOWN_PUT = "known from", "known turns", "known put"


@dataclass(frozen=True)
class Kept:
    """What is kept: frames like `nothing`, by `key` and `time`, `rows_max` at most. After
    `turns_max` batches that touched a key it is read again (None: never)."""

    key: str
    time: str
    nothing: pl.DataFrame
    rows_max: int
    turns_max: int | None = None


class _Generation:
    """Some keys: from when on all their rows are known, for how many turns, and these rows.

    Keys and rows have the number of the `put` that they came with. Rows that have another number
    than their key are no longer known; they are swept out many at a time, since to leave out some
    copies all others.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.rows = kept.nothing.with_columns(pl.lit(0, pl.Int64).alias(_PUT))
        numbers = dict.fromkeys((_KNOWN_FROM, _KNOWN_TURNS, _KNOWN_PUT), pl.Int64)
        self.spans = pl.DataFrame(schema={kept.key: pl.String, **numbers})

    @property
    def size(self) -> int:
        """How many rows, or keys if these are more, there are."""
        return max(self.rows.height, self.spans.height)

    def rows_from(self, known: pl.DataFrame) -> pl.DataFrame:
        """The rows of keys that are known, from the beginnings of the spans that are asked for."""
        found = (
            self._placed()
            .join(known, on=self._kept.key)
            .filter(
                pl.col(_PUT) == pl.col(_KNOWN_PUT), pl.col(self._kept.time) >= pl.col(RANGE_FROM)
            )
        )
        return self.rows[found[_PLACE]].drop(_PUT)

    def sweep(self) -> None:
        """Let go of the rows that are no longer known."""
        placed = self._placed().join(self.spans, on=self._kept.key, maintain_order="left")
        self.rows = self.rows[placed.filter(pl.col(_PUT) == pl.col(_KNOWN_PUT))[_PLACE]]

    def _placed(self) -> pl.DataFrame:
        """What tells rows apart, and where they lie: of a few columns, which are compared sooner
        than all of them are moved."""
        return self.rows.select(self._kept.key, self._kept.time, _PUT).with_row_index(_PLACE)


class SpanCache:
    """Rows by key and span of time, in front of what reads them.

    Two generations make it forget what was not touched for longest: when the younger one is half
    as full as may be, with a quarter at least that is still known, it becomes the older one, and
    what was the older one is forgotten. A key without a row in reach counts like a row.
    """

    def __init__(self, kept: Kept, read: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self._kept = kept
        self._read = read
        self._puts = 0
        self.hits = self.misses = 0
        self.drop()

    def drop(self) -> None:
        """Forget everything."""
        self._young, self._old = _Generation(self._kept), _Generation(self._kept)
        types = {self._kept.key: pl.String, _TURNS: pl.Int64}
        self._turns = pl.DataFrame(schema=types)

    def reaches_before(self, instant_ms: int) -> bool:
        """Whether it holds rows from before a time."""
        time = pl.col(self._kept.time)
        return any(
            each.rows.select((time < instant_ms).any()).item() for each in (self._young, self._old)
        )

    @property
    def size(self) -> int:
        """How many rows, or keys if these are more, are kept."""
        return self._young.size + self._old.size

    def rows(self, spans: pl.DataFrame, *, anew: bool = True) -> pl.DataFrame:
        """All rows of the keys from the beginnings of their spans on, from here where they are
        known; without `anew` also of those whose turns are over."""
        key, time = self._kept.key, pl.col(self._kept.time)
        found, missing, asked = [], spans.select(key, RANGE_FROM), []
        for generation in (self._young, self._old):
            if generation.spans.is_empty() or missing.is_empty():
                continue
            hit, missing = self._parted(missing, generation.spans, anew=anew)
            if hit.is_empty():
                continue
            if self._kept.turns_max is not None:
                turns = hit.select(key, pl.col(_KNOWN_TURNS).alias(_TURNS))
                self._turns = pl.concat([self._turns, turns])
            found.append(generation.rows_from(hit))
            # What lies before that is read; what changed since is not among it.
            if hit[_KNOWN_FROM].max() > hit[RANGE_FROM].min():  # type: ignore[operator]
                older = hit.filter(pl.col(_KNOWN_FROM) > pl.col(RANGE_FROM))
                asked.append(older.select(key, RANGE_FROM, pl.col(_KNOWN_FROM).alias(RANGE_TO)))
        if not missing.is_empty():
            asked.append(missing.with_columns(pl.lit(LATEST_MS).alias(RANGE_TO)))
        read = pl.concat(asked) if asked else missing
        self.hits += spans.height - read.height
        self.misses += read.height
        if not read.is_empty():
            more = self._read(read)
            if read.height > missing.height:
                beside = more.join(read.select(key, RANGE_TO), on=key)
                more = beside.filter(time < pl.col(RANGE_TO)).drop(RANGE_TO)
            found.append(more)
        return pl.concat(found) if found else self._kept.nothing

    def _parted(
        self, spans: pl.DataFrame, known: pl.DataFrame, *, anew: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The spans of keys that are known, with what is known of them, and the others."""
        beside = spans.join(known, on=self._kept.key, how="left")
        has_turns = anew and self._kept.turns_max is not None
        # Of a small batch often all keys are one or the other, which costs nothing to see.
        unknown_count = beside[_KNOWN_FROM].null_count()
        if unknown_count == beside.height:
            return beside.clear(), spans
        if unknown_count == 0 and not has_turns:
            return beside, spans.clear()
        is_known = pl.col(_KNOWN_FROM).is_not_null()
        if has_turns:
            is_known &= (pl.col(_KNOWN_TURNS) < self._kept.turns_max).fill_null(False)
        return beside.filter(is_known), beside.filter(~is_known).select(spans.columns)

    def put(self, spans: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Remember all rows of these keys from the beginnings of their spans on, in the place of
        what is known of them."""
        self.forget(spans)
        self._puts += 1
        number, young = pl.lit(self._puts, pl.Int64), self._young
        since = pl.col(RANGE_FROM).alias(_KNOWN_FROM)
        spans, turns = self._with_turns(spans)
        spans = spans.select(
            self._kept.key, since, turns.alias(_KNOWN_TURNS), number.alias(_KNOWN_PUT)
        )
        young.spans = pl.concat([young.spans, spans])
        young.rows = pl.concat([young.rows, rows.with_columns(number.alias(_PUT))])
        self._turn_over()

    def forget(self, keys: pl.DataFrame) -> None:
        """Know nothing of these keys any more."""
        for generation in (self._young, self._old):
            if not generation.spans.is_empty():
                generation.spans = generation.spans.join(keys, on=self._kept.key, how="anti")

    def add(self, rows: pl.DataFrame) -> None:
        """Remember further rows of keys that are known, from when on they are; what is not known of
        others, or lies before, stays so."""
        for generation in (self._young, self._old):
            if not generation.spans.is_empty():
                more = rows.join(generation.spans, on=self._kept.key)
                more = more.filter(pl.col(self._kept.time) >= pl.col(_KNOWN_FROM))
                more = more.select(*rows.columns, pl.col(_KNOWN_PUT).alias(_PUT))
                generation.rows = pl.concat([generation.rows, more])
        self._turn_over()

    def _turn_over(self) -> None:
        young, rows_max = self._young, self._kept.rows_max
        if young.size * 2 >= rows_max:
            young.sweep()
            if young.size * 4 >= rows_max:
                self._old, self._young = young, _Generation(self._kept)
        # What is added to keys of the older one makes that grow.
        if self.size > rows_max:
            self._old = _Generation(self._kept)

    def _with_turns(self, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.Expr]:
        """These spans, and for each in how many batches in a row it was served from here."""
        before, self._turns = self._turns, self._turns.clear()
        if before.is_empty():
            return spans, pl.lit(1, pl.Int64)
        turns = before.group_by(self._kept.key).agg(pl.col(_TURNS).max() + 1)
        return spans.join(turns, on=self._kept.key, how="left"), pl.col(_TURNS).fill_null(1)


class RowCache(SpanCache):
    """The rows of one fold, in front of those of a store; it gives what `RowsByKey` promises."""

    def __init__(self, fold: Fold, stored: RowsByKey, rows_max: int = ROWS_MAX) -> None:
        nothing = empty_rows(fold.columns)
        super().__init__(Kept(fold.key, fold.step.order[0], nothing, rows_max), stored.rows)

    def take(self, folded: Folded) -> None:
        """Remember what a batch wrote. To be called when it is known to be in the store."""
        self.put(folded.spans, folded.rows)
