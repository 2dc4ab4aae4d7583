"""The processors of a store in shards: each process takes its share of them, and of those that
nobody has any more.

Nobody assigns shards. Every processor says in the store that it lives, counts who else does, and
takes as many shards as are its share by their leases; of what it has beyond that it lets go. So a
process more takes over its part within a second, and one that died is replaced by all others.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.engines.commit import TRYING_AGAIN, Listeners
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.shard import Part, ShardProcessor
from rtcdp.engines.notices import tables_beside
from rtcdp.engines.products import ProductUpdates
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogUnavailable
from rtcdp.runtime.parts import log_reader
from rtcdp.runtime.processes.leases import is_known_dead, name_of_this_process, take_lease
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.processing.caretaking import Caretaking, Counted
from rtcdp.runtime.settings import Settings
from rtcdp.store import EpochRefused, EpochReport, Progress, Store, StoreUnavailable
from rtcdp.store.divided import DividedStore, MisplacedUser, OtherDefinitions
from rtcdp.store.division import Division, Shards, share_of

LOOK_EVERY_S = 1.0
"""How often a processor looks who lives and what is free."""

PASSING = (StoreUnavailable, LogUnavailable, EpochRefused, AlreadyRunning)
"""What ends a shard's processor, or the caretaker, until it is tried again."""

_log = logging.getLogger(__name__)

_LOOK = -1
"""Whose trouble it is that is no shard's: of looking after all of them."""

_KEY_OF_LOG = "userId"

Worked = Callable[[threading.Event], None]


@dataclass
class _Work:
    """Something that is done in a thread until it is told to stop; `error` is what ended it."""

    name: str
    work: Worked
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()

    @property
    def is_over(self) -> bool:
        return not self.thread.is_alive()

    def end(self) -> None:
        """Wait until it has stopped."""
        self.stop.set()
        self.thread.join()

    def _run(self) -> None:
        try:
            self.work(self.stop)
        except BaseException as error:  # noqa: BLE001 - whoever started it looks at it
            self.error = error


class ShardedProcessor:
    """Counts a process's share of the shards of a log; see `Processor` for what it is to whoever
    runs it. `measured` makes of a store one whose times are told."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        metrics: Sequence[Metric],
        folds: Sequence[Fold],
    ) -> None:
        assert isinstance(store, DividedStore), f"{settings.store_kind} has no shards"
        for fold in folds:
            if fold.key != _KEY_OF_LOG:
                raise UsageError(
                    f"the fold {fold.name} tells stories by {fold.key}, and a log in shards is"
                    f" divided by {_KEY_OF_LOG}: no shard has a whole story",
                    "leave it out (--folds), or count with processor.shards 1",
                )
        self._divided: DividedStore = store
        self._counted = Counted(settings, clock, metrics, folds)
        folded = Folding(folds, store).tables
        self._wanted = self._counted.wanted((*folded, *tables_beside(folds)))
        self._name = name_of_this_process()
        self._reported_at = float("-inf")
        self._caretaker: _Work | None = None
        self._shards: dict[int, _Work] = {}
        self._told = _Told()
        self.store = store
        self.folds = tuple(folds)
        self.listeners = Listeners()
        self.products: ProductUpdates | None = None
        self.measured: Callable[[Store], Store] = lambda each: each

    @property
    def progress(self) -> Progress:
        """What is committed, by all processors."""
        return self.store.progress()

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Count the share of this process until `stop` is set; with `once` all shards, until the
        log's end.

        While the log or the store can't be reached it says so and tries again, and so it does when
        a shard or the store is another process's. Raises what nothing but a person can mend.
        """
        if once:
            self._run_once(stop)
            return
        try:
            while not stop.is_set():
                try:
                    obstacle = self._look()
                except (StoreUnavailable, LogUnavailable) as error:
                    obstacle = str(error)
                if obstacle:
                    self._told.trouble(_LOOK, f"{obstacle}{TRYING_AGAIN}", self.listeners)
                else:
                    self._told.back(_LOOK, self.listeners)
                self._take_note_of_ends()
                stop.wait(min(LOOK_EVERY_S, self._counted.ttl_ms / 6000))
        finally:
            self._end()

    def _run_once(self, stop: threading.Event) -> None:
        self._care(stop, once=True)
        division = self._divided.shards().division

        def count(shard: int) -> Worked:
            return lambda _: self._count(shard, division, stop, once=True)

        works = [_Work(f"shard {n}", count(n)) for n in range(division.shards)]
        for work in works:
            work.thread.join()
        for work in works:
            if work.error is not None:
                raise work.error

    def _look(self) -> str:
        """Say that this process lives, and take and let go what its share asks for. Who could count
        no shard has no share, and leaves all to those who can; returns why, or nothing."""
        counted = self._counted
        now_ms, shards = counted.clock.now_ms(), self._divided.shards()
        living = [
            member
            for member, until in shards.members.items()
            if until > now_ms and not is_known_dead(member)
        ]
        obstacle = self._obstacle(shards)
        is_alone = shards.caretaker_until <= now_ms or is_known_dead(shards.caretaker)
        # While others count, nothing is made otherwise than they have it.
        is_wanted = not obstacle or not {*living} - {self._name}
        if self._caretaker is None and is_alone and is_wanted:
            self._caretaker = _Work("caretaker", self._care)
        if obstacle:
            self._leave()
            # The caretaker is about to make it fit.
            return obstacle if self._caretaker is None else ""
        self._stay(now_ms)
        if not shards.is_open:
            return ""
        share = share_of(self._name, living, shards.division.shards)
        kept = [number for number, work in self._shards.items() if not work.stop.is_set()]
        for number in sorted(kept)[share:]:
            self._shards[number].stop.set()
        for state in shards.states:
            is_free = not state.is_held(now_ms) or is_known_dead(state.holder)
            if len(kept) < share and is_free and state.shard not in self._shards:
                kept.append(state.shard)
                self._begin(state.shard, shards.division)
        return ""

    def _obstacle(self, shards: Shards) -> str:
        """Why this process can't count a shard of those that are open; empty if it can."""
        own = self._counted.settings
        if not shards.is_open:
            return ""
        if shards.division.shards != own.processor.shards:
            return (
                f"the store is divided into {shards.division.shards} shards, and processor.shards"
                f" here is {own.processor.shards}: give all processors the same, or stop them all"
                " to change it"
            )
        try:
            self._divided.check_fits(self._wanted, own.admission)
        except OtherDefinitions as error:
            return f"{error}: {error.hint}"
        return ""

    def _stay(self, now_ms: int) -> None:
        """Let the others know, from time to time, that this process has a share."""
        now_s, ttl_ms = self._counted.clock.monotonic(), self._counted.ttl_ms
        if now_s - self._reported_at >= ttl_ms / 3000:
            self._divided.report_member(self._name, now_ms, ttl_ms)
            self._reported_at = now_s

    def _leave(self) -> None:
        """Have no share any more."""
        for work in self._shards.values():
            work.stop.set()
        if self._reported_at > float("-inf"):
            self._divided.report_member(self._name, self._counted.clock.now_ms(), 0)
            self._reported_at = float("-inf")

    def _begin(self, shard: int, division: Division) -> None:
        self._shards[shard] = _Work(
            f"shard {shard}", lambda stop: self._count(shard, division, stop, once=False)
        )

    def _count(self, shard: int, division: Division, stop: threading.Event, *, once: bool) -> None:
        """Count one shard, as long as this process has it."""
        counted = self._counted
        settings = counted.settings
        with (
            log_reader(settings, makes_topic=True) as log,
            closing(self._divided.shard(shard)) as store,
        ):
            take_lease(store, counted.clock, counted.ttl_ms)
            _log.info("counts shard %d of %d", shard, division.shards)
            try:
                part = Part(shard, division, log, self.measured(store))
                limits = settings.processor.of_fetched()
                processor = ShardProcessor(
                    part, counted.metrics, settings.admission, counted.clock, limits
                )
                processor.folds = self.folds
                processor.listeners = self._told.of(shard, self.listeners)
                processor.run(stop, once=once)
            finally:
                _log.info("leaves shard %d of %d", shard, division.shards)
                self._told.over(shard)
                with suppress(StoreUnavailable):
                    store.release_lease()

    def _care(self, stop: threading.Event, *, once: bool = False) -> None:
        """Look after the whole store, if nobody else does."""
        with closing(self._divided.caretaker()) as store:
            try:
                Caretaking(self._counted, store, self.listeners).work(stop, once=once)
            finally:
                with suppress(StoreUnavailable):
                    store.release_lease()

    def _take_note_of_ends(self) -> None:
        """Forget what has ended and may be tried again. Raises what may not."""
        if self._caretaker is not None and self._caretaker.is_over:
            ended, self._caretaker = self._caretaker, None
            self._judge(ended)
        for number, work in list(self._shards.items()):
            if work.is_over:
                del self._shards[number]
                self._judge(work)

    def _judge(self, ended: _Work) -> None:
        error = ended.error
        if error is None or isinstance(error, AlreadyRunning):
            return
        if isinstance(error, MisplacedUser) or not isinstance(error, PASSING):
            raise error
        self._told.trouble(_LOOK, f"{ended.name}: {error}{TRYING_AGAIN}", self.listeners)

    def _end(self) -> None:
        works = [*self._shards.values(), *([self._caretaker] if self._caretaker else [])]
        for work in works:
            work.stop.set()
        for work in works:
            work.end()
        with suppress(StoreUnavailable):
            self._divided.report_member(self._name, self._counted.clock.now_ms(), 0)


class _Told:
    """What the shards of a process tell, for who listens to one processor: one report at a time,
    and sums over all shards where a report counts from a processor's beginning. There is trouble
    until neither a shard nor `_LOOK` has any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._troubled: set[int] = set()
        self._reports: dict[int, EpochReport] = {}

    def of(self, shard: int, listeners: Listeners) -> Listeners:
        """The listeners of one shard."""

        def on_epoch(report: EpochReport) -> None:
            with self._lock:
                self._reports[shard] = report
                reports = self._reports.values()
                listeners.on_epoch(
                    replace(
                        report,
                        forgotten_ids=sum(each.forgotten_ids for each in reports),
                        cache_hits=sum(each.cache_hits for each in reports),
                        cache_misses=sum(each.cache_misses for each in reports),
                    )
                )

        def on_trouble(sentence: str) -> None:
            self.trouble(shard, sentence, listeners)

        def on_back() -> None:
            self.back(shard, listeners)

        return replace(listeners, on_epoch=on_epoch, on_trouble=on_trouble, on_back=on_back)

    def trouble(self, whose: int, sentence: str, listeners: Listeners) -> None:
        """Something can't go on, or is only told."""
        with self._lock:
            if sentence.endswith(TRYING_AGAIN):
                self._troubled.add(whose)
            listeners.on_trouble(sentence)

    def back(self, whose: int, listeners: Listeners) -> None:
        """It goes on."""
        with self._lock:
            self._troubled.discard(whose)
            if not self._troubled:
                listeners.on_back()

    def over(self, shard: int) -> None:
        """A shard is counted here no longer, and the next look says whether there is trouble."""
        with self._lock:
            self._troubled.discard(shard)
            self._reports.pop(shard, None)
