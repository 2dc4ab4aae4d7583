"""The sessions of products that recommendations are computed of, held in memory and kept fresh.

They are read from the rows of the fold `product_sessions` when somebody asks first, and follow what
each epoch changes among these. An installation without that fold has none.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import polars as pl

from rtcdp.answers.fold_rows import told_by
from rtcdp.answers.freshness import Freshness, Installation, Reading, open_reading
from rtcdp.clock import Clock
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.engines.notices import noticed
from rtcdp.errors import NotThere, RtcdpError
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.recommendations import ITEMS, START, TOLD, USER, Model, SessionIndex, index_of
from rtcdp.store import RowScan, StoreSnapshot

DAY_MS, HOUR_MS = 86_400_000, 3_600_000

SHORT_S = 0.05
"""A look that takes longer is taken beside the answers, which go on with what is known."""

LOOK_BESIDE = "look at products"
"""How the thread is called that takes it."""

LOOK_EVERY_S = 1.0
"""How often, at most, such a look is taken."""

LOOK_SHARE = 5
"""And one in so many parts of the time at most is spent in looking."""

GLANCE_S = 0.05
"""For so long nobody asks again whether there is something new. Whoever is answered meanwhile is
told from when it is."""

GLANCED_S_MAX = 1.0
"""While somebody looks, nobody else waits for that: they are told what was seen so long ago at
most."""

NEWEST_MS = 2 * HOUR_MS
"""Where an epoch changed more rows than it names, those that began so long before the newest one
are read again at once."""

ANEW_EVERY_S = 600.0
"""And all others after so long."""

_SLICE_ROWS = 100_000


@dataclass(frozen=True)
class HistoryLimits:
    """Sessions that began in the last `days` are heard, `sessions` of them at most: the newest."""

    days: int = 30
    sessions: int = 1_000_000


@dataclass(frozen=True)
class Known:
    """What is recommended from, up to an epoch, and how fresh that was then. What was `read_anew`
    then (monotonic seconds) has followed named changes since; `is_exact` says whether it missed
    none. Sessions that began before `since` (UTC ms) are not heard."""

    fold: Fold
    model: Model
    epoch: int
    freshness: Freshness
    read_anew: float
    since: int
    is_exact: bool = True


class ProductHistory:
    """Holds the sessions of one server. Safe to use from several threads."""

    def __init__(self, limits: HistoryLimits = HistoryLimits()) -> None:
        self.limits = limits
        self._looking = threading.Lock()
        self._known: Known | None = None
        self._looked_at = float("-inf")
        self._took_s = 0.0
        self._glanced: tuple[Known, float] | None = None
        self._glancing = threading.Lock()

    def at_hand(self, clock: Clock) -> Known | None:
        """The same as `glance`, where that takes no time; None where a look is due. While somebody
        else takes it, it is that of `GLANCED_S_MAX` ago at most."""
        glanced = self._glanced
        if glanced is None:
            return None
        age_s = clock.monotonic() - glanced[1]
        may_be_s = GLANCED_S_MAX if self._glancing.locked() else GLANCE_S
        return glanced[0] if 0 <= age_s < may_be_s else None

    def glance(self, installation: Installation) -> Known:
        """What is recommended from, and up to when all is in it, as it was `GLANCE_S` ago at most.
        Raises what `known` raises."""
        now, glanced = installation.clock.monotonic(), self._glanced
        if glanced is not None and 0 <= now - glanced[1] < GLANCE_S:
            found = glanced[0]
            if found.fold == product_fold(installation.folds):
                return found
        is_first = self._glancing.acquire(blocking=False)
        try:
            with open_reading(installation) as reading:
                found = self.known(installation, reading)
                # What was looked at since then is not in it.
                if found.epoch == reading.snapshot.progress.epoch:
                    found = replace(found, freshness=reading.freshness)
            self._glanced = found, now
        finally:
            if is_first:
                self._glancing.release()
        return found

    def known(self, installation: Installation, reading: Reading) -> Known:
        """What is recommended from now. The first one to ask waits until all is read; afterwards a
        look that may take long is taken by a thread of its own. Raises `NotThere` where no fold
        tells of products, and `StoreUnavailable`."""
        fold = product_fold(installation.folds)
        known = self._known
        if known is None or known.fold != fold or self._took_s < SHORT_S:
            with self._looking:
                return self._look(installation, reading, fold)
        rests_s = installation.clock.monotonic() - self._looked_at
        is_due = rests_s >= max(LOOK_EVERY_S, LOOK_SHARE * self._took_s)
        if known.epoch != reading.snapshot.progress.epoch and is_due:
            threading.Thread(
                target=self._look_beside, args=(installation, fold), name=LOOK_BESIDE, daemon=True
            ).start()
        return known

    def _look_beside(self, installation: Installation, fold: Fold) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            with open_reading(installation) as reading:
                self._look(installation, reading, fold)
        except RtcdpError:
            # Whoever asks is told so by the reading of its own.
            return
        finally:
            self._looking.release()

    def _look(self, installation: Installation, reading: Reading, fold: Fold) -> Known:
        began, now = time.perf_counter(), installation.clock.monotonic()
        known, epoch = self._known, reading.snapshot.progress.epoch
        if known is not None and known.fold == fold and known.epoch >= epoch and known.is_exact:
            return known
        since = installation.clock.now_ms() // HOUR_MS * HOUR_MS - self.limits.days * DAY_MS
        floor = told_by(installation, reading, fold).complete_from
        since = since if floor is None else max(since, floor)
        index, is_exact = None, True
        if known is not None and known.fold == fold:
            is_late = not known.is_exact and now - known.read_anew >= ANEW_EVERY_S
            if not is_late:
                index, is_exact = _followed(reading.snapshot, known, since)
        if known is None or index is None:
            index, read_anew = index_of(self._all(reading.snapshot, fold, since)), now
        else:
            read_anew, is_exact = known.read_anew, is_exact and known.is_exact
        index = _newest(index.without_before(since), self.limits.sessions)
        found = Known(
            fold, Model(index.ready()), epoch, reading.freshness, read_anew, since, is_exact
        )
        # Worked out here, so that no answer waits for it.
        assert len(found.model.stand_ins) > 0
        self._known, self._looked_at = found, now
        self._took_s = time.perf_counter() - began
        return found

    def _all(self, snapshot: StoreSnapshot, fold: Fold, since: int) -> pl.DataFrame:
        """The newest sessions, as many as may be."""
        return sessions_in(_scanned(snapshot, fold, since, self.limits.sessions), fold)


def product_fold(folds: Sequence[Fold]) -> Fold:
    """The fold that tells of products. Raises `NotThere`."""
    for fold in folds:
        if isinstance(fold.step, ProductSessions):
            return fold
    raise NotThere(
        "nothing is told of products, so nothing can be recommended",
        "let the fold product_sessions run: folds = all in rtcdp.toml",
    )


def sessions_in(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """Rows of the fold as sessions of items. What is told of each is a letter for what was done
    with each product, and then the products, as `deeds_told` reads it."""
    return rows.select(
        pl.col(fold.key).alias(USER),
        pl.col(fold.step.order[0]).alias(START),
        pl.col("products").str.json_decode(pl.List(pl.String())).alias(ITEMS),
        (pl.col("deeds") + pl.col("products")).alias(TOLD),
    )


def deeds_told(text: str) -> list[tuple[str, str]]:
    """The products of a session in order, each with what was done with it."""
    deeds, bracket, rest = text.partition("[")
    return list(zip(msgspec.json.decode(bracket + rest, type=list[str]), deeds, strict=True))


def _followed(
    snapshot: StoreSnapshot, known: Known, since: int
) -> tuple[SessionIndex | None, bool]:
    """What became of the sessions since the last look, and whether that is all; None where it can't
    be told."""
    fold, index = known.fold, known.model.index
    news = noticed(snapshot, fold, known.epoch)
    if not news.is_whole or news.more_gone:
        return None, True
    time_name = fold.step.order[0]
    spans = news.keys.group_by(fold.key).agg(
        pl.col(time_name).min().alias(RANGE_FROM), (pl.col(time_name).max() + 1).alias(RANGE_TO)
    )
    rows = snapshot.rows(fold.table, spans).join(news.keys, on=fold.primary_key, how="semi")
    gone = news.keys.join(rows, on=fold.primary_key, how="anti")
    sessions = sessions_in(rows, fold).filter(pl.col(START) >= since)
    keys = gone.select(pl.col(fold.key).alias(USER), pl.col(time_name).alias(START))
    index = index.changed(sessions, keys)
    if not news.more_changed:
        return index, True
    newest = int(index.starts.max()) if index.session_count else since
    again = sessions_in(_scanned(snapshot, fold, max(since, newest - NEWEST_MS), None), fold)
    return index.changed(again, keys.clear()), False


def _scanned(snapshot: StoreSnapshot, fold: Fold, since: int, rows_max: int | None) -> pl.DataFrame:
    """The rows that began since, newest first, with their products alone."""
    scan = RowScan(fold.table, time_from=since, limit=_SLICE_ROWS, columns=("products", "deeds"))
    found: list[pl.DataFrame] = []
    count = 0
    while True:
        rows = snapshot.row_scan(scan)
        found.append(rows)
        count += rows.height
        if rows.height < _SLICE_ROWS or (rows_max is not None and count >= rows_max):
            return pl.concat(found)
        scan = replace(scan, after=rows.select(fold.primary_key).row(-1))


def _newest(index: SessionIndex, count: int) -> SessionIndex:
    """The index without its oldest sessions, where there are more than `count`."""
    if index.session_count <= count:
        return index
    starts = index.starts[index.is_there]
    return index.without_before(int(np.partition(starts, -count)[-count]))
