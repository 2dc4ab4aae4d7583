"""The sessions of products that recommendations are computed of, held in memory and kept fresh.

They are read from the rows of the fold `product_sessions` when somebody asks first, and follow what
each epoch changes among these. An installation without that fold has none.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from rtcdp.answers.beside import Beside
from rtcdp.answers.fold_rows import told_by
from rtcdp.answers.folds import is_incomplete
from rtcdp.answers.freshness import Freshness, Installation, Reading, open_reading
from rtcdp.answers.product_rows import Bounds, Held, followed, held_in
from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.definitions import Fold
from rtcdp.errors import NotThere, RtcdpError
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.recommendations import Edge, Model

SHORT_S = 0.05
"""A look that takes longer is taken beside the answers, which go on with what is known."""

LOOK_EVERY_S = 0.2
"""So long after the end of one, at the earliest, the next such look is taken."""

LOOK_SHARE = 4
"""And so many times as long as its thread was at work. What it waited for, a processor or a server,
defers nothing; nor does what Polars does in threads of its own, about a fifth more. All is read
anew seldom, so that how long this took says nothing of the next look, unless that read all as
well."""

GLANCE_S = 0.1
"""For so long nobody asks again whether there is something new. Whoever is answered meanwhile is
told from when it is."""

RENEWED_S = 0.3
"""Who asks within so long is told what was seen then, while it is looked at again for the next."""

GLANCED_S_MAX = 3.0
"""While somebody looks, nobody else waits for that: they are told what was seen so long ago at
most."""

PAUSE_S = 3.0
"""Where nobody looked for so long after a look was due, nobody asked: whoever asks next waits for
one, however long it may take."""

ANEW_EVERY_S = 600.0
"""Where an epoch changed more rows than it names, all are read again after so long."""

COMPLETE_S = 1.0
"""For so long nobody asks again whether the fold is complete that was so."""

FILLING_EVERY_S = 5.0
"""And so often, at most, while the fold is being filled, which no epoch names; then once more."""


@dataclass(frozen=True)
class HistoryLimits:
    """Sessions that began in the last `days` are heard, `sessions` of them at most: the newest."""

    days: int = 30
    sessions: int = 1_000_000


@dataclass(frozen=True)
class Known:
    """What is recommended from, up to an epoch, and how fresh that was then. What was `read_anew`
    then (monotonic seconds) has followed named changes since; `is_exact` says whether it missed
    none. While `is_filling` no engine has told all of it. Sessions that began before `since` (UTC
    ms), or are beyond the `edge`, are not heard."""

    fold: Fold
    model: Model
    epoch: int
    freshness: Freshness
    read_anew: float
    since: int
    is_exact: bool = True
    edge: Edge | None = None
    is_filling: bool = False


class ProductHistory:
    """Holds the sessions of one server. Safe to use from several threads."""

    def __init__(self, limits: HistoryLimits = HistoryLimits()) -> None:
        self.limits = limits
        self._looking = threading.Lock()
        self._is_awaited = False
        self._known: Known | None = None
        self._looked_at = self._looked_until = float("-inf")
        self._took_s = self._read_s = self._worked_s = 0.0
        self._glanced: tuple[Known, float] | None = None
        self._complete: tuple[Fold, float] | None = None
        self._glancing = threading.Lock()
        self._noting = threading.Lock()
        self._glances, self._looks = Beside("glance at products"), Beside("look at products")

    def at_hand(self, installation: Installation) -> Known | None:
        """The same as `glance`, where that takes no time; None where a look is due. One that has
        just become due is taken beside the answers. While somebody takes it, it is that of
        `GLANCED_S_MAX` ago at most."""
        glanced = self._glanced
        if glanced is None:
            return None
        age_s = installation.clock.monotonic() - glanced[1]
        if not 0 <= age_s < (GLANCED_S_MAX if self._glancing.locked() else RENEWED_S):
            return None
        is_due = age_s >= GLANCE_S and self._glancing.acquire(blocking=False)
        if is_due and not self._glances.begin(partial(self._renew, installation)):
            self._glancing.release()
        return glanced[0]

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
            return self._glance_now(installation)
        finally:
            if is_first:
                self._glancing.release()

    def _renew(self, installation: Installation) -> None:
        try:
            self._glance_now(installation)
        except RtcdpError:
            # Whoever asks is told so by the reading of its own.
            return
        finally:
            self._glancing.release()

    def _glance_now(self, installation: Installation) -> Known:
        now, fold = installation.clock.monotonic(), product_fold(installation.folds)
        # Asked before the snapshot is taken: what is complete by then is in it entirely.
        is_filling = self._is_filling(installation, fold, now)
        with open_reading(installation) as reading:
            found = self.known(installation, reading, is_filling=is_filling)
            fresh = reading.freshness
            if found.epoch != reading.snapshot.progress.epoch:
                # What was looked at since then is not in it.
                fresh = later(found.freshness, installation.clock.now_ms())
        is_filling = is_filling or found.is_filling
        return self._noted(replace(found, freshness=fresh, is_filling=is_filling), now)

    def _is_filling(self, installation: Installation, fold: Fold, now: float) -> bool:
        complete = self._complete
        if complete is not None and 0 <= now - complete[1] < COMPLETE_S and complete[0] == fold:
            return False
        is_filling = is_incomplete(installation.store, fold)
        self._complete = None if is_filling else (fold, now)
        return is_filling

    def _noted(self, found: Known, now: float) -> Known:
        """What is at hand from now on: of two that looked at the same time the newer one."""
        with self._noting:
            before = self._glanced
            if before is not None and before[0].fold == found.fold:
                known, then = before
                if (known.epoch, then) > (found.epoch, now):
                    return known
            self._glanced = found, now
        return found

    def known(
        self, installation: Installation, reading: Reading, *, is_filling: bool = False
    ) -> Known:
        """What is recommended from now; whether the fold `is_filling` was asked before the reading.
        The first one to ask waits until all is read, and the first after a pause for a look;
        otherwise a look that may take long is taken by a thread of its own. Raises `NotThere` where
        no fold tells of products, and `StoreUnavailable`."""
        fold = product_fold(installation.folds)
        known, now = self._known, installation.clock.monotonic()
        is_late = self._is_late(known, now, is_filling=is_filling)
        takes_s = max(self._took_s, self._read_s) if is_late else self._took_s
        if known is None or known.fold != fold or takes_s < SHORT_S:
            with self._looking:
                return self._look(installation, reading, fold, is_filling=is_filling)
        due_s = now - self._looked_until - max(LOOK_EVERY_S, LOOK_SHARE * self._worked_s)
        is_due = due_s >= 0
        is_behind = is_late or known.epoch < reading.snapshot.progress.epoch
        is_free = self._is_awaited or not self._looking.locked()
        if due_s >= PAUSE_S and is_behind and is_free and not is_filling:
            return self._look_awaited(installation, reading, fold)
        if is_due and is_behind and not self._looking.locked():
            self._looks.begin(partial(self._look_beside, installation, fold))
        return known

    def wait(self, seconds: float) -> None:
        """Wait until what was begun beside the answers is done, so long at most."""
        for each in (self._glances, self._looks):
            each.wait(seconds)

    def _is_late(self, known: Known | None, now: float, *, is_filling: bool) -> bool:
        """Whether all is to be read anew, as something of it was never named."""
        if known is None:
            return False
        age_s = now - known.read_anew
        if is_filling:
            return age_s >= max(FILLING_EVERY_S, LOOK_SHARE * self._read_s)
        return known.is_filling or (not known.is_exact and age_s >= ANEW_EVERY_S)

    def _look_awaited(self, installation: Installation, reading: Reading, fold: Fold) -> Known:
        """After a pause. Who comes meanwhile waits as well."""
        self._is_awaited = True
        with self._looking:
            try:
                return self._look(installation, reading, fold, is_filling=False)
            finally:
                self._is_awaited = False

    def _look_beside(self, installation: Installation, fold: Fold) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            is_filling = is_incomplete(installation.store, fold)
            with open_reading(installation) as reading:
                self._look(installation, reading, fold, is_filling=is_filling)
        except RtcdpError:
            # Whoever asks is told so by the reading of its own.
            return
        finally:
            self._looking.release()

    def _look(
        self, installation: Installation, reading: Reading, fold: Fold, *, is_filling: bool
    ) -> Known:
        began, now = time.perf_counter(), installation.clock.monotonic()
        began_to_work = time.thread_time()
        known, epoch = self._known, reading.snapshot.progress.epoch
        if known is not None and known.fold != fold:
            known = None
        is_late = self._is_late(known, now, is_filling=is_filling)
        if known is not None and known.epoch >= epoch and (known.epoch > epoch or not is_late):
            return known
        since = installation.clock.now_ms() // HOUR_MS * HOUR_MS - self.limits.days * DAY_MS
        floor = told_by(installation, reading, fold).complete_from
        since = since if floor is None else max(since, floor)
        held, is_exact, bounds = None, True, Bounds(since, self.limits.sessions)
        if known is not None and not is_late:
            before = Held(known.model.index, known.edge)
            held, is_exact = followed(reading.snapshot, fold, before, known.epoch, bounds)
        took_s_max = float("inf")
        if known is None or held is None:
            if known is None or known.read_anew != self._looked_at:
                took_s_max = SHORT_S
            held, read_anew = held_in(reading.snapshot, fold, bounds), now
            self._read_s = time.perf_counter() - began
        else:
            read_anew, is_exact = known.read_anew, is_exact and known.is_exact
            is_filling = known.is_filling
        model, fresh = Model(held.index.ready()), reading.freshness
        found = Known(fold, model, epoch, fresh, read_anew, since, is_exact, held.edge, is_filling)
        # Worked out here, so that no answer waits for it.
        assert len(found.model.stand_ins) > 0
        self._known, self._looked_at = found, now
        self._looked_until = installation.clock.monotonic()
        self._took_s = min(took_s_max, time.perf_counter() - began)
        self._worked_s = min(took_s_max, time.thread_time() - began_to_work)
        return found


def later(fresh: Freshness, now_ms: int) -> Freshness:
    """How fresh it is by now."""
    if fresh.as_of is None:
        return fresh
    return Freshness(fresh.as_of, max(0, now_ms - fresh.as_of), fresh.warning)


def product_fold(folds: Sequence[Fold]) -> Fold:
    """The fold that tells of products. Raises `NotThere`."""
    for fold in folds:
        if isinstance(fold.step, ProductSessions):
            return fold
    raise NotThere(
        "nothing is told of products, so nothing can be recommended",
        "let the fold product_sessions run: folds = all in rtcdp.toml",
    )


def deeds_told(text: str) -> list[tuple[str, str]]:
    """The products of a session in order, each with what was done with it."""
    deeds, bracket, rest = text.partition("[")
    return list(zip(msgspec.json.decode(bracket + rest, type=list[str]), deeds, strict=True))
