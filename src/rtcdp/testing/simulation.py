"""One small installation that everything can happen to, and that knows what happened.

The real native engine and the real SQLite store; the log is in memory, the clock moves only when it
is told to, and the store can fail or die at any commit. The simulation keeps every record that was
ever acknowledged, in the order in which it was decided, and asks the independent judge whether the
store says what it should.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event as Signal
from typing import Any, Protocol

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Fold, Metric
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.commit import Listeners
from rtcdp.engines.native.limits import ProcessorLimits, StoreRetention
from rtcdp.engines.native.processor import Processor
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import (
    Appended,
    Delivery,
    Intake,
    LogReader,
    LogReplaced,
    OffsetsMissing,
)
from rtcdp.log.limits import Retention
from rtcdp.runtime.dead_letters import Parts, replay_dead_letters
from rtcdp.store import Progress, Store, StoreUnavailable, UncountedScan
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.agreement import Disagreement, Horizon, disagreements
from rtcdp.verify.interleaving import decided_elsewhere, in_decision_order
from rtcdp.verify.judge import Judge, Place, PlainRecord, Rules, Verdict
from rtcdp.verify.plain import plain_metric, plain_records
from rtcdp.verify.stored import Stored, read_stored, recorded_verdict, view_rows
from rtcdp.verify.story_agreement import all_story_disagreements, read_told, with_what_is_gone

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00.000Z
POISON = "poison"
"""The user whose events the engine fails at while it has a defect."""

BATCH_BYTES = 2_000
"""So little makes a batch that there is often another one to fold while one is being committed."""

MINUTE_MS = 60_000


class Died(BaseException):
    """The process was killed at a commit."""


class TwoClocks:
    """A wall clock that can be set, and a monotonic one that can't. `true_ms` is the time that it
    would be if nobody had touched the wall clock."""

    def __init__(self, now_ms: int) -> None:
        self.true_ms, self._ahead_ms = now_ms, 0
        self.latest_ms = now_ms

    def now_ms(self) -> int:
        return self.true_ms + self._ahead_ms

    def monotonic(self) -> float:
        return (self.true_ms - START_MS) / 1000

    def advance(self, milliseconds: int) -> None:
        self.true_ms += milliseconds
        self.latest_ms = max(self.latest_ms, self.now_ms())

    def set_ahead(self, milliseconds: int) -> None:
        """The wall clock is ahead by so much from now on; behind, if it is negative."""
        self._ahead_ms = milliseconds
        self.latest_ms = max(self.latest_ms, self.now_ms())

    @property
    def earned_ms(self) -> int:
        """The latest time that may delete: time is earned by running, four times as fast at most,
        and is never ahead of what the wall clock said."""
        earned = START_MS + 4 * (self.true_ms - START_MS)
        return min(earned, max(self.latest_ms, self.now_ms()))


class _Faults:
    """What is wrong with a store's commits just now."""

    def __init__(self) -> None:
        self.has_defect = False
        self.commits_until_death: int | None = None
        self.dies_after_commit = False
        self.replies_to_lose = 0

    def before(self, changes: Sequence[Any]) -> None:
        if self.has_defect and any(_is_poisoned(change.rows) for change in changes):
            raise ValueError("the engine fails at this event")
        if self.commits_until_death == 0 and not self.dies_after_commit:
            raise Died

    def after(self) -> None:
        if self.commits_until_death is not None:
            if self.commits_until_death == 0:
                raise Died
            self.commits_until_death -= 1

    def lose_reply(self) -> None:
        if self.replies_to_lose:
            self.replies_to_lose -= 1
            raise StoreUnavailable("the reply was lost", "ask what became of it")


class _FaultyStore:
    """A store whose commits fail or die as its faults say."""

    def __init__(self, store: Store, faults: _Faults) -> None:
        self._store, self._faults = store, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, epoch: Any) -> None:
        self._faults.before(epoch.changes)
        self._store.commit(epoch)
        self._faults.lose_reply()
        self._faults.after()

    def commit_backfill(
        self, metric: str, changes: Sequence[Any], *args: Any, **flags: Any
    ) -> None:
        self._faults.before(())
        self._store.commit_backfill(metric, changes, *args, **flags)
        self._faults.after()


class _Writer:
    """Hands deliveries over to the first partition."""

    def __init__(self, deliver: Callable[[Sequence[Delivery], int], None]) -> None:
        self._deliver = deliver

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        self._deliver(deliveries, 0)
        return ()

    def close(self) -> None:
        """Nothing to release."""


@dataclass
class _Counted:
    """A metric as the store should have it: records that its backfills no longer found."""

    fingerprint: str
    without: set[Place] = field(default_factory=set)


@dataclass(frozen=True)
class Kept:
    """For how long log and store keep what they hold."""

    log: Retention
    store: StoreRetention


class Engine(Protocol):
    """What counts: `recover` prepares it, `step` counts a batch and says if there was anything, and
    `run` does both until all is counted, and keeps house."""

    def recover(self) -> None: ...

    def step(self) -> bool: ...

    def run(self, stop: Signal, *, once: bool = False) -> None: ...


class Simulation:
    """Everything that can drift, under a test's control. `open_store` opens the store, again and
    again; nothing is counted before `start`.

    A test with a real log overrides `reader` and `deliver`; what was acknowledged is in `log` too.
    One with another engine overrides `engine`, and `is_order_known` where the engine may take the
    partitions in any order. `folds` are told from the first start on.
    """

    is_order_known = True

    def __init__(
        self,
        open_store: Callable[[], Store],
        kept: Kept,
        partitions: int = 2,
        folds: Sequence[Fold] = (),
    ) -> None:
        self.clock = TwoClocks(START_MS)
        self.records_per_read = 1_000_000
        self.log = MemoryLog(lambda: self.records_per_read, partitions)
        self.faults = _Faults()
        self.troubles: list[str] = []
        self._open_store, self._kept = open_store, kept
        self._rules: list[Rules] = []
        self._metrics: tuple[Metric, ...] = ()
        self.folds = tuple(folds)
        self._counted: dict[str, _Counted] = {}
        self._order: list[PlainRecord] = []
        self._decided: dict[int, int] = {}
        self._errors: dict[Place, Verdict] = {}
        self._oldest_window_ms = self._oldest_minute_ms = -(10**15)
        self._engine: Engine | None = None
        self._copy: MemoryLog | None = None
        self._store = open_store()

    def reader(self) -> LogReader:
        """What the engine reads from."""
        return self.log

    def deliver(self, deliveries: Sequence[Delivery], partition: int) -> None:
        """Make deliveries durable."""
        self.log.append(deliveries, partition)

    def limits(self) -> ProcessorLimits:
        """What bounds the engine from its next start on."""
        most = BATCH_BYTES
        return ProcessorLimits(most, most, epoch_every_s=0, expire_every_s=0, retry_s=0)

    def append(
        self,
        raws: Sequence[bytes],
        partition: int = 0,
        source: str = "shop",
        intake: Intake = "live",
    ) -> None:
        """Take records in now, as one delivery. The next one comes a millisecond later at least: of
        two partitions in one millisecond, nobody can tell afterwards which was read first."""
        is_rejected = [b"\n" in raw or isinstance(decode(raw), Rejection) for raw in raws]
        lines = [raw for raw, rejected in zip(raws, is_rejected, strict=True) if not rejected]
        delivery = Delivery(
            lines=b"".join(line + b"\n" for line in lines),
            line_count=len(lines),
            received_at=self.clock.now_ms(),
            source=source,
            intake=intake,
            rejects=tuple((i, raws[i]) for i, bad in enumerate(is_rejected) if bad),
        )
        self.deliver([delivery], partition)
        self.clock.advance(1)

    def start(self, metrics: Sequence[Metric], rules: AdmissionRules) -> None:
        """Begin to count, or begin again as another process would: with these metrics and rules."""
        self._store.close()
        self._store = self._open_store()
        self._note_decided()
        decided = dict(self._decided)
        limits = (rules.max_clock_skew_ms, rules.allowed_lateness_ms, rules.dedup_window_ms)
        if not self._rules or self._rules[-1][:3] != limits:
            self._rules.append(Rules(*limits, decided if self._rules else {}))
        metrics = self._metrics = stored_metrics(metrics)
        self._note_metrics(metrics)
        self._engine = self.engine(metrics, rules, _FaultyStore(self._store, self.faults))
        with self._dying():
            self._engine.recover()

    def engine(self, metrics: Sequence[Metric], rules: AdmissionRules, store: Any) -> Engine:
        """A new engine on the log and the store."""
        processor = Processor(self.reader(), store, metrics, rules, self.clock, self.limits())
        processor.log_retention = self._kept.log
        processor.store_retention = self._kept.store
        # Of several batches it would not be known which was decided when.
        processor.listeners = Listeners(
            on_trouble=self.troubles.append, on_epoch=lambda _: self._note_decided()
        )
        processor.folds = self.folds
        return processor

    def count(self, rounds: int = 1_000_000) -> None:
        """Count what is there, so many rounds at most."""
        with self._dying():
            while rounds > 0 and self._engine is not None and self._engine.step():
                self._note_decided()
                rounds -= 1

    def keep_house(self) -> None:
        """Run as the processor's own loop does until all is counted, with its deletions."""
        self._note_errors()
        with self._dying():
            if self._engine is not None:
                self._engine.run(Signal(), once=True)
        self._note_decided()
        kept = self._kept.store
        self._oldest_window_ms = self.clock.earned_ms - kept.windows_ms
        self._oldest_minute_ms = self.clock.earned_ms - kept.uncounted_ms

    @property
    def is_running(self) -> bool:
        """False after it died; `start` it again."""
        return self._engine is not None

    def copy_log(self) -> None:
        """Keep a copy of the log as it is now."""
        self._copy = self.log.copy()

    def bring_copy_back(self, growth: Sequence[bytes]) -> str:
        """The copy that was kept last takes the log's place, and has grown beyond what the store
        has counted if there is `growth`: raw events that are repeated.

        Where the store has counted more than the copy holds, the engine has to refuse it and leave
        everything as it is; the log comes back then. Returns what was wrong with that, if anything.
        """
        copy, log = self._copy, self.log
        if copy is None:
            return ""
        is_older = any(copy.extent(p).next_offset < end for p, end in self._decided.items())
        self._copy, self.log = copy.copy(), copy
        if growth:
            self._outgrow(copy, log, growth)
        if not is_older:
            for partition in log.partitions():
                copy.trim(log.extent(partition).first_offset, partition)
            self._start_anew()
            return ""
        try:
            return self._refusal()
        finally:
            self.log = log
            self._start_anew()

    def _outgrow(self, copy: MemoryLog, log: MemoryLog, growth: Sequence[bytes]) -> None:
        for partition in log.partitions():
            while copy.extent(partition).next_offset <= log.extent(partition).next_offset:
                self.append(growth, partition)

    def _refusal(self) -> str:
        before = self._store.progress()
        self._engine = self.engine(self._metrics, self._rules_of_now(), self._store)
        try:
            self._engine.recover()
        except (LogReplaced, OffsetsMissing):
            changed = self._store.progress() != before
            return "a refused copy of the log has moved the store" if changed else ""
        return "an older copy of the log was taken for the log"

    def _start_anew(self) -> None:
        if self._metrics:
            self.start(self._metrics, self._rules_of_now())

    def _rules_of_now(self) -> AdmissionRules:
        return AdmissionRules(*self._rules[-1][:3])

    def replay_dead_letters(self) -> None:
        """As the command does, for all that can be admitted by the rules of now."""
        rules = self._rules_of_now()
        parts = Parts(self.reader(), _Writer(self.deliver), self._store)
        replay_dead_letters(parts, self.clock, rules, UncountedScan())

    def disagreements(self) -> list[Disagreement]:
        """What the store says otherwise than the judge, now."""
        self._note_decided()
        stored = self._stored()
        self._note_errors()
        errors = self._errors
        metrics: list[Mapping[str, Any]] = [
            plain_metric(metric) | {"without": self._counted[metric.name].without}
            for metric in self._metrics
            if self._store.backfill_offsets(metric.name) is None
        ]
        has_folds = bool(self.folds)
        judge = Judge(metrics, self._rules, errors, keeps_events=has_folds).feed(self._order)
        if not self.is_order_known:
            records = {(r.partition, r.offset): r for r in self._order}
            recorded = partial(recorded_verdict, stored, judge.verdicts)
            given = decided_elsewhere(
                judge, records, recorded, lambda p: _limits_at(self._rules, records[p])[2]
            )
            judge = Judge(metrics, self._rules, errors | given, keeps_events=has_folds)
            judge.feed(self._order)
        poisoned = {
            (record.partition, record.offset)
            for record in self._order
            if f'"{POISON}"'.encode() in record.raw
        }
        found = [
            Disagreement("verdict", place, "admitted", errors[place])
            for place in errors.keys() - poisoned
        ]
        held = {partition: self.log.extent(partition).first_offset for partition in self._decided}
        horizon = Horizon(
            self._oldest_window_ms + MINUTE_MS,
            self._oldest_minute_ms + MINUTE_MS,
            held,
        )
        found += [
            Disagreement("rules", (r.partition, r.offset), expected, now)
            for r in self._order
            if (expected := _limits_at(self._rules, r)) != (now := _limits_at(stored.rules, r))
        ]
        found += [
            Disagreement("decided_from", (p,), held[p], at)
            for p, at in stored.decided_from.items()
            if at > held[p]
        ]
        return [
            *found,
            *disagreements(judge, stored, metrics, horizon),
            *self._disagreements_of_stories(judge),
        ]

    def _disagreements_of_stories(self, judge: Judge) -> list[Disagreement]:
        """What is told of stories otherwise. Folds are always there, so none is filled anew from a
        log that has lost its beginning; what has expired in the store is left out."""
        ready = [f for f in self.folds if self._store.backfill_offsets(f.name) is None]
        with self._store.snapshot() as snapshot:
            told = read_told(snapshot, ready, self._rules[-1].allowed_lateness_ms)
            told, lost = with_what_is_gone(told, ready, snapshot.floors.buckets_from)
        return all_story_disagreements(judge, ready, told, lost)[0]

    def progress(self) -> Progress:
        """How far the store is."""
        return self._store.progress()

    def verdicts(self) -> Mapping[Place, Verdict]:
        """What the store says of the records that were not counted."""
        return self._stored().verdicts

    def close(self) -> None:
        self._store.close()

    def _stored(self) -> Stored:
        complete = [m for m in self._metrics if self._store.backfill_offsets(m.name) is None]
        with self._store.snapshot() as snapshot:
            stored = read_stored(snapshot, complete)
            readable = getattr(snapshot, "readable", None)
            views = {m.name: view_rows(m, readable(m)) for m in complete} if readable else {}
        return replace(stored, views=views)

    @contextmanager
    def _dying(self) -> Iterator[None]:
        """What dies is not running any more; what it has committed stays."""
        try:
            yield
        except Died:
            self._engine = None
            self.faults.commits_until_death = None
            self._store.close()
            self._store = self._open_store()
            self._note_decided()

    def _note_decided(self) -> None:
        """Put what was decided since the last time into the order of decisions."""
        reached = self._store.progress().next_offsets
        pieces = []
        for partition, next_offset in sorted(reached.items()):
            first = self._decided.get(partition, 0)
            records = self.log.records(partition)
            base = self.log.extent(partition).first_offset
            assert not records or records[0].offset <= max(first, base)
            pieces.append([r for r in plain_records(records) if first <= r.offset < next_offset])
        self._order += in_decision_order(pieces)
        self._decided = dict(reached)

    def _note_errors(self) -> None:
        """Remember what the engine failed at, before the store's retention forgets it."""
        verdicts = self._stored().verdicts
        self._errors |= {p: v for p, v in verdicts.items() if v.reason == "processor_error"}

    def _note_metrics(self, metrics: Sequence[Metric]) -> None:
        """Note which decided records a new or resumed metric will not find in the log any more."""
        stored = set(self._store.metrics())
        for metric in metrics:
            known = self._counted.get(metric.name)
            if (
                known is None
                or known.fingerprint != metric.fingerprint
                or metric.name not in stored
            ):
                known = self._counted[metric.name] = _Counted(metric.fingerprint)
                done: Mapping[int, int] | None = {}
            else:
                done = self._store.backfill_offsets(metric.name)
            if done is None:
                continue
            first = {p: self.log.extent(p).first_offset for p in self._decided}
            known.without |= {
                (record.partition, record.offset)
                for record in self._order
                if done.get(record.partition, 0) <= record.offset < first[record.partition]
            }


def _limits_at(rules: Sequence[Rules], record: PlainRecord) -> tuple[int, ...]:
    in_force = [r for r in rules if record.offset >= r.from_offsets.get(record.partition, 0)]
    return in_force[-1][:3] if in_force else ()


def _is_poisoned(rows: Any) -> bool:
    return "userId" in rows.columns and POISON in rows["userId"]
