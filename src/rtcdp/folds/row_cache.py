"""What was just read or written by key and time, kept so that it need not be read again.

The store stays the truth: whoever uses this writes through, and drops it whenever it isn't known
what the store holds (a lost lease, a refused epoch, an unknown outcome).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.clock import LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.folds.kernel import Folded, RowsByKey
from rtcdp.folds.rows import empty_rows

ROWS_MAX = 1_250_000
"""So many rows of a fold are kept: those of a million keys that all come again, and what is no
longer known of some until it is swept out."""

_PIECES_MAX = 1000
"""Rows that came in more pieces than this are swept together: each of them is looked through."""

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


class SpanCache:
    """Rows by key and span of time, in front of what reads them.

    Of each key it is known from when on all its rows are here, and for how many turns. A key
    without a row in reach counts like a row. Keys and rows have the number of the `put` that they
    came with. Rows that have another number than their key are no longer known; they are swept out
    many at a time, since to leave out some copies all others. Where that makes too little room, the
    keys that were put longest ago are forgotten.
    """

    def __init__(self, kept: Kept, read: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self._kept = kept
        self._read = read
        self._puts = 0
        self.hits = self.misses = 0
        self.drop()

    def drop(self) -> None:
        """Forget everything."""
        kept = self._kept
        self._rows = kept.nothing.with_columns(pl.lit(0, pl.Int64).alias(_PUT))
        numbers = dict.fromkeys((_KNOWN_FROM, _KNOWN_TURNS, _KNOWN_PUT), pl.Int64)
        self._known = pl.DataFrame(schema={kept.key: pl.String, **numbers})
        self._turns = pl.DataFrame(schema={kept.key: pl.String, _TURNS: pl.Int64})

    def reaches_before(self, instant_ms: int) -> bool:
        """Whether it holds rows from before a time."""
        is_before = (pl.col(self._kept.time) < instant_ms).any()
        return bool(self._rows.select(is_before).item())

    @property
    def rows_max(self) -> int:
        """How many rows are kept at most."""
        return self._kept.rows_max

    @property
    def size(self) -> int:
        """How many rows, or keys if these are more, are kept."""
        return max(self._rows.height, self._known.height)

    def rows(self, spans: pl.DataFrame, *, anew: bool = True) -> pl.DataFrame:
        """All rows of the keys from the beginnings of their spans on, from here where they are
        known; without `anew` also of those whose turns are over."""
        key, time = self._kept.key, pl.col(self._kept.time)
        found, asked = [], []
        hit, missing = self._parted(spans.select(key, RANGE_FROM), anew=anew)
        if not hit.is_empty():
            if self._kept.turns_max is not None:
                turns = hit.select(key, pl.col(_KNOWN_TURNS).alias(_TURNS))
                self._turns = pl.concat([self._turns, turns])
            found.append(self._rows_from(hit))
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

    def _parted(self, spans: pl.DataFrame, *, anew: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The spans of keys that are known, with what is known of them, and the others."""
        beside = spans.join(self._known, on=self._kept.key, how="left")
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
        number = pl.lit(self._puts, pl.Int64)
        since = pl.col(RANGE_FROM).alias(_KNOWN_FROM)
        spans, turns = self._with_turns(spans)
        spans = spans.select(
            self._kept.key, since, turns.alias(_KNOWN_TURNS), number.alias(_KNOWN_PUT)
        )
        self._known = pl.concat([self._known, spans])
        self._append(rows.with_columns(number.alias(_PUT)))

    def forget(self, keys: pl.DataFrame) -> None:
        """Know nothing of these keys any more."""
        if not (self._known.is_empty() or keys.is_empty()):
            self._known = self._known.join(keys, on=self._kept.key, how="anti")

    def add(self, rows: pl.DataFrame) -> None:
        """Remember further rows of keys that are known, from when on they are; what is not known of
        others, or lies before, stays so."""
        more = rows.join(self._known, on=self._kept.key)
        more = more.filter(pl.col(self._kept.time) >= pl.col(_KNOWN_FROM))
        more = more.select(*rows.columns, pl.col(_KNOWN_PUT).alias(_PUT))
        self._append(more)

    def _rows_from(self, known: pl.DataFrame) -> pl.DataFrame:
        """The rows of keys that are known, from the beginnings of the spans that are asked for."""
        is_known = pl.col(_PUT) == pl.col(_KNOWN_PUT)
        is_asked = pl.col(self._kept.time) >= pl.col(RANGE_FROM)
        found = self._placed().join(known, on=self._kept.key).filter(is_known, is_asked)
        # Row by row, each one's piece would be looked for, which takes ten times as long.
        is_found = np.zeros(self._rows.height, np.bool_)
        is_found[found[_PLACE].to_numpy()] = True
        return self._rows.filter(is_found).drop(_PUT)

    def _append(self, rows: pl.DataFrame) -> None:
        """Keep further rows. Each is one piece in all its columns: where these were cut apart at
        other places, whatever looks at some of them would put all of them together first."""
        self._rows = pl.concat([self._rows, rows.rechunk()])
        self._keep_within()

    def _keep_within(self) -> None:
        rows_max = self._kept.rows_max
        if self.size <= rows_max and self._rows.n_chunks() <= _PIECES_MAX:
            return
        known = self._known.select(self._kept.key, pl.col(_KNOWN_PUT).alias(_PUT))
        self._rows = self._rows.join(known, on=[self._kept.key, _PUT], how="semi")
        # So full, it would soon have to be swept again.
        if self.size > rows_max * 7 // 8:
            first = self._first_to_keep(rows_max * 3 // 4)
            self._known = self._known.filter(pl.col(_KNOWN_PUT) >= first)
            self._rows = self._rows.filter(pl.col(_PUT) >= first)

    def _first_to_keep(self, rows_max: int) -> int:
        """From which put on there are so many rows, or keys if these are more, at most."""
        oldest = int(self._known[_KNOWN_PUT].min() or 0)  # type: ignore[arg-type]
        keys, rows = (
            np.bincount(each.to_numpy() - oldest, minlength=self._puts - oldest + 1)
            for each in (self._known[_KNOWN_PUT], self._rows[_PUT])
        )
        newest_first = np.cumsum(np.maximum(keys, rows)[::-1])
        return self._puts + 1 - int(np.searchsorted(newest_first, rows_max, side="right"))

    def _placed(self) -> pl.DataFrame:
        """What tells rows apart, and where they lie: of a few columns, which are compared sooner
        than all of them are moved."""
        return self._rows.select(self._kept.key, self._kept.time, _PUT).with_row_index(_PLACE)

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
        self.forget(folded.forgotten)
        self.put(folded.spans, folded.rows)
