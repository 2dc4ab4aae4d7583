"""The sessions of products that recommendations are computed of, held in memory and kept fresh.

They are read from the rows of the fold `product_sessions` when somebody asks first, and follow what
each epoch changes among these. An installation without that fold has none.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from rtcdp.answers.fold_rows import told_by
from rtcdp.answers.freshness import Freshness, Installation, Reading, open_reading
from rtcdp.answers.product_rows import Bounds, Held, followed, held_in
from rtcdp.definitions import Fold
from rtcdp.errors import NotThere, RtcdpError
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.recommendations import Edge, Model

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

RENEWED_S = 0.1
"""Who asks within so long is told what was seen then, while it is looked at again for the next."""

GLANCED_S_MAX = 1.0
"""While somebody looks, nobody else waits for that: they are told what was seen so long ago at
most."""

ANEW_EVERY_S = 600.0
"""Where an epoch changed more rows than it names, all are read again after so long."""


@dataclass(frozen=True)
class HistoryLimits:
    """Sessions that began in the last `days` are heard, `sessions` of them at most: the newest."""

    days: int = 30
    sessions: int = 1_000_000


@dataclass(frozen=True)
class Known:
    """What is recommended from, up to an epoch, and how fresh that was then. What was `read_anew`
    then (monotonic seconds) has followed named changes since; `is_exact` says whether it missed
    none. Sessions that began before `since` (UTC ms), or are beyond the `edge`, are not heard."""

    fold: Fold
    model: Model
    epoch: int
    freshness: Freshness
    read_anew: float
    since: int
    is_exact: bool = True
    edge: Edge | None = None


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
        if age_s >= GLANCE_S and self._glancing.acquire(blocking=False):
            threading.Thread(
                target=self._renew, args=(installation,), name=LOOK_BESIDE, daemon=True
            ).start()
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
        now = installation.clock.monotonic()
        with open_reading(installation) as reading:
            found = self.known(installation, reading)
            # What was looked at since then is not in it.
            if found.epoch == reading.snapshot.progress.epoch:
                found = replace(found, freshness=reading.freshness)
        self._glanced = found, now
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
        held, is_exact, bounds = None, True, Bounds(since, self.limits.sessions)
        if known is not None and known.fold == fold:
            is_late = not known.is_exact and now - known.read_anew >= ANEW_EVERY_S
            if not is_late:
                before = Held(known.model.index, known.edge)
                held, is_exact = followed(reading.snapshot, fold, before, known.epoch, bounds)
        if known is None or held is None:
            held, read_anew = held_in(reading.snapshot, fold, bounds), now
        else:
            read_anew, is_exact = known.read_anew, is_exact and known.is_exact
        model, fresh = Model(held.index.ready()), reading.freshness
        found = Known(fold, model, epoch, fresh, read_anew, since, is_exact, held.edge)
        # Worked out here, so that no answer waits for it.
        assert len(found.model.stand_ins) > 0
        self._known, self._looked_at = found, now
        self._took_s = time.perf_counter() - began
        return found


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
