"""The collector: takes events in, and answers only when they are durable."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import msgspec

from rtcdp.breather import INTAKE
from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.events.judged import Run
from rtcdp.intake.deadlines import Deadlines
from rtcdp.intake.decompression import decompress
from rtcdp.intake.group_commit import CommittedGroup, GroupCommit, NotAppended
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RefusalCode, RequestRefused
from rtcdp.intake.recent_ids import RecentIds, that_reach
from rtcdp.intake.splitting import (
    Batch,
    Judge,
    RejectedEvent,
    batch_of_runs,
    clean_batch,
    judged_batch,
    split,
    takes_long,
)
from rtcdp.intake.stats import CollectorStats
from rtcdp.intake.transfers import Transfers
from rtcdp.log.contract import (
    DEFAULT_SOURCE,
    Claim,
    Delivery,
    Intake,
    LogFailed,
    LogFull,
    LogUnavailable,
    LogWriter,
    Records,
    summary_mark,
)
from rtcdp.log.limits import SOURCE_NAME
from rtcdp.log.piece import Piece
from rtcdp.log.wrapping import pieces_after, try_claim
from rtcdp.telemetry import CURRENT_TRACE

_DRAIN_PAUSE_S = 0.002
_SHARE_OF_PARTS = 0.75
_ERROR_FRESH_S = 2.0
_HOUR_S = 3_600

T = TypeVar("T")

GroupHandler = Callable[[float, int], None]
"""Takes what an append took, in seconds, and how many requests it made durable."""


class IntakeAnswer(msgspec.Struct, frozen=True):
    """What became of a request's events: `accepted` + `duplicates` + `rejected_count` are all of
    them, and `rejected` names the first ones.

    All are in the log now, the rejected ones as dead letters to be. Duplicates are those whose id
    this collector remembers; they are appended like the others, because admission decides what
    counts and the ledger tells it exactly. Of a piece of a recorded file that was imported before,
    all are duplicates, and nothing is appended. A `hint` is about what was accepted and is odd.
    """

    accepted: int
    duplicates: int
    rejected: tuple[RejectedEvent, ...] = ()
    rejected_count: int = 0
    hint: str | msgspec.UnsetType = msgspec.UNSET


class _Waiting(msgspec.Struct, frozen=True, eq=False):
    """A request whose delivery is on its way; `answered` gets the number of duplicates, or None
    when it was passed over."""

    delivery: Delivery
    batch: Batch
    byte_count: int
    answered: "asyncio.Future[int | None]"


class Collector:
    """Takes the bodies of requests, splits and judges them, and appends them in groups.

    All public methods are called from one event loop, but for `recall` and `close`, which come
    before and after. `on_failure` is called once, from the writer's thread, when the log failed for
    good: nothing is taken from then on, and the process should end with the error's exit code.
    `known_sources` are the sources that the log has already. `judge` is the rule of the stream that
    it takes in. `on_group` may be set to hear of every append. The writer is not closed here.
    """

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        limits: CollectorLimits | None = None,
        *,
        on_failure: Callable[[LogFailed], None] | None = None,
        known_sources: Iterable[str] = (),
        judge: Judge = decode,
    ) -> None:
        self.limits = limits or CollectorLimits()
        self.failure: LogFailed | None = None
        self.deadlines = Deadlines()
        self.transfers = Transfers(self.release)
        self.on_group: GroupHandler = lambda _seconds, _requests: None
        self._inline_limits = replace(
            self.limits,
            max_decompressed_bytes=min(
                self.limits.max_decompressed_bytes, self.limits.max_inline_bytes
            ),
        )
        self._writer = writer
        self._clock = clock
        self._judge = judge
        self._on_failure = on_failure
        self._sources = {DEFAULT_SOURCE, *known_sources, *_declared(self.limits)}
        self._learned_at: deque[float] = deque()
        self._recent_ids = RecentIds(self.limits)
        self._commits = GroupCommit[_Waiting](
            writer, clock, self.limits.max_group_bytes, self._on_committed
        )
        self._decoders = ThreadPoolExecutor(self.limits.decoder_threads, "decoder")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathering: list[tuple[Delivery, _Waiting | None]] = []
        self._is_closed = False
        self._last_error: tuple[NotAppended | None, float] = (None, 0.0)
        self._held_bytes = 0
        self._waiting = 0
        self._requests = self._events = self._rejected = self._duplicates = self._bytes = 0
        self._refused: dict[RefusalCode, int] = {}
        self._groups = self._group_requests_max = 0
        self._commit_s = self._commit_s_max = 0.0

    @property
    def ready(self) -> bool:
        """True while events are taken."""
        return self.failure is None and not self._is_closed

    @property
    def takes_events(self) -> bool:
        """Whether it takes events in, and not another stream."""
        return self._judge is decode

    @property
    def limits_of_one(self) -> CollectorLimits:
        """The limits for a body that is one record, and is looked at in the event loop."""
        return self._inline_limits

    @property
    def trouble(self) -> str | None:
        """Why events are not taken now; None while they are.

        A log that could not take them lately may be able to again: after two seconds without
        another try it has the benefit of the doubt.
        """
        if self.failure is not None:
            return str(self.failure)
        if self._is_closed:
            return "closed"
        error, at = self._last_error
        is_fresh = error is not None and self._clock.monotonic() - at <= _ERROR_FRESH_S
        return str(error) if is_fresh else None

    def stats(self) -> CollectorStats:
        return CollectorStats(
            requests=self._requests,
            events=self._events,
            rejected=self._rejected,
            duplicates=self._duplicates,
            bytes=self._bytes,
            refused=dict(self._refused),
            groups=self._groups,
            group_requests_max=self._group_requests_max,
            commit_s=self._commit_s,
            commit_s_max=self._commit_s_max,
            pending_requests=self._waiting,
            pending_bytes=self._held_bytes,
            recent_ids=len(self._recent_ids),
        )

    def recall(self, records: Records) -> None:
        """Remember the sources and ids of records that are in the log already, oldest first."""
        self._sources.update(records.sources)
        self._recent_ids.recall(records)

    async def drain(self) -> None:
        """Take nothing more, and wait until all that was taken has its answer.

        To be awaited before the server stops, which cuts off the requests that are under way.
        """
        self._is_closed = True
        while self._waiting:
            await asyncio.sleep(_DRAIN_PAUSE_S)

    def close(self) -> None:
        """Take nothing more, append what waits, end the threads."""
        self._is_closed = True
        self._hand_over()
        self._commits.close()
        self._decoders.shutdown()

    def check_open(self) -> None:
        """Raise `RequestRefused` (503) if nothing is taken any more."""
        if self.failure is not None:
            raise self._refusal_for(self.failure)
        if self._is_closed:
            raise self._try_later("shutting_down", "send the request again")

    def check_source(self, source: str) -> None:
        """Raise `RequestRefused` if `source` is no name (400) or one too many (429)."""
        if source in self._sources:
            return
        if SOURCE_NAME.fullmatch(source) is None:
            raise RequestRefused(
                "bad_source", "name the source like shop-eu: [a-z0-9][a-z0-9_-]{0,63}"
            )
        if len(self._sources) >= self.limits.max_sources:
            raise RequestRefused(
                "too_many_sources",
                f"this log takes {self.limits.max_sources} sources; use one that it knows, or "
                "retire one (rtcdp sources retire NAME) and start the collector again",
                _HOUR_S,
            )
        wait_s = self._wait_to_learn_s()
        if wait_s > 0:
            raise RequestRefused(
                "too_many_sources",
                f"{self.limits.new_sources_per_hour} new sources an hour are taken; use one that "
                "is known, or declare it with collector.sources",
                math.ceil(wait_s),
            )

    def _wait_to_learn_s(self) -> float:
        """After how many seconds another new source may come; 0: now."""
        most, now = self.limits.new_sources_per_hour, self._clock.monotonic()
        while self._learned_at and now - self._learned_at[0] >= _HOUR_S:
            self._learned_at.popleft()
        if len(self._learned_at) < most:
            return 0.0
        return _HOUR_S - (now - self._learned_at[0]) if self._learned_at else _HOUR_S

    def check_share(self, size: int) -> None:
        """Raise `RequestRefused` (503) if `size` is more than bodies may hold together before they
        are whole: some room is left to those that are."""
        if size > self.limits.max_pending_bytes * _SHARE_OF_PARTS:
            raise self._try_later("overloaded", "send the request again, and fewer at a time")

    def hold(self, size: int) -> None:
        """Count `size` bytes of a body as held; `release` gives them back.

        Raises `RequestRefused` (503) when all requests together would hold too many.
        """
        if self._held_bytes + size > self.limits.max_pending_bytes:
            raise self._try_later("overloaded", "send the request again, and fewer at a time")
        self._held_bytes += size

    def release(self, size: int) -> None:
        self._held_bytes -= size

    def count_refused(self, code: RefusalCode) -> None:
        self._refused[code] = self._refused.get(code, 0) + 1

    async def take(
        self,
        body: bytes,
        content_type: str = "",
        encoding: str = "",
        source: str = DEFAULT_SOURCE,
        intake: Intake = "live",
    ) -> IntakeAnswer:
        """Take one request's body in; returns when its events are durable.

        `body` is as it came over the wire, `content_type` and `encoding` are lower case without
        parameters. Its intake time is now. Raises `RequestRefused`; then nothing is recorded,
        unless it is `log_failed`, where that is unknown.
        """
        frame = self._frame(source, intake)
        return await self._take(await self._split(body, content_type, encoding), frame)

    async def take_piece(
        self, body: bytes, content_type: str, encoding: str, source: str, piece: Piece
    ) -> IntakeAnswer:
        """The same for recorded history, which is taken in once: nothing more is recorded of a
        piece that is in the log. Raises `RequestRefused` as `take` does."""
        frame = self._frame(source, "import", piece)
        return await self._take(await self._split(body, content_type, encoding), frame)

    async def take_runs(
        self, runs: Sequence[Run], source: str = DEFAULT_SOURCE, piece: Piece | None = None
    ) -> IntakeAnswer:
        """Take in recorded history that its reader has judged, as far as the runs say so; returns
        when it is durable, and known as this `piece`. No duplicates are told from it. Raises
        `RequestRefused` as `take` does."""
        frame = self._frame(source, "import", piece)
        batch = await self._in_thread(lambda: batch_of_runs(runs, self.limits))
        return await self._append(batch, frame)

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """The pieces of recorded files that are in the log and follow the text which `key` names;
        none where the log doesn't know. Raises what the log's writer raises."""
        return pieces_after(self._writer, key)

    def try_claim(self, key: str) -> Claim | None:
        """Claim the right to import what `key` names, as `ImportRegister` has it. Raises
        `RequestRefused` (503)."""
        try:
            return try_claim(self._writer, key)
        except (LogUnavailable, LogFailed) as error:
            raise self._refusal_for(error) from error

    async def known_pieces(self, key: str) -> Sequence[Piece]:
        """The same, for whoever asks over HTTP. Raises `RequestRefused` (503)."""
        self.check_open()
        try:
            return await self._in_thread(lambda: self.pieces_after(key))
        except (LogUnavailable, LogFailed) as error:
            raise self._refusal_for(error) from error

    def _frame(self, source: str, intake: Intake, piece: Piece | None = None) -> Delivery:
        """A delivery that comes now, without its records yet. Raises `RequestRefused` when none is
        taken from there."""
        received_at = self._clock.now_ms()
        self.check_open()
        self.check_source(source)
        trace = CURRENT_TRACE.get()
        return Delivery(b"", 0, received_at, source, intake, trace=trace, piece=piece)

    async def _take(self, batch: Batch, frame: Delivery) -> IntakeAnswer:
        with INTAKE:
            return await self._append(batch, frame)

    async def _append(self, batch: Batch, frame: Delivery) -> IntakeAnswer:
        if batch.event_count == 0 and frame.piece is None:
            return IntakeAnswer(0, 0)
        # Spelled out: `replace` looks at each field anew, and every request comes by here.
        delivery = Delivery(
            batch.lines,
            batch.line_count,
            frame.received_at,
            frame.source,
            frame.intake,
            batch.rejects,
            trace=frame.trace,
            piece=frame.piece,
        )
        duplicates = await self._submit(delivery, batch)
        if duplicates is None:
            return IntakeAnswer(0, batch.event_count)
        accepted = batch.line_count - duplicates
        hint = batch.doubt or msgspec.UNSET
        return IntakeAnswer(accepted, duplicates, batch.rejected, batch.rejected_count, hint)

    async def _split(self, body: bytes, content_type: str, encoding: str) -> Batch:
        """The batch of a body, decoded here when it is small and by another thread when not."""
        limits = self.limits
        if len(body) <= limits.max_inline_bytes:
            try:
                plain = decompress(body, encoding, self._inline_limits)
            except RequestRefused as refused:
                # A small body may hold a lot. How much more than a small one, a thread finds out.
                if refused.code != "body_too_large":
                    raise
            else:
                judge = self._judge
                clean = clean_batch(plain, content_type, limits, judge)
                if clean is not None:
                    return clean
                if not takes_long(plain):
                    return judged_batch(plain, content_type, limits, judge)
                return await self._in_thread(
                    lambda: judged_batch(plain, content_type, limits, judge)
                )
        return await self._in_thread(
            lambda: split(decompress(body, encoding, limits), content_type, limits, self._judge)
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    def _submit(self, delivery: Delivery, batch: Batch) -> "asyncio.Future[int | None]":
        """Put a delivery on the way to the log; the result is the number of its duplicates, and
        None when all of it was passed over."""
        self.check_open()
        self.check_source(delivery.source)
        if self._waiting >= self.limits.max_pending_requests:
            raise self._try_later("overloaded", "send the request again, and fewer at a time")
        byte_count = batch.byte_count
        self.hold(byte_count)
        if delivery.source not in self._sources:
            self._sources.add(delivery.source)
            self._learned_at.append(self._clock.monotonic())
        self._waiting += 1
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._commits.start()
        answered: asyncio.Future[int | None] = self._loop.create_future()
        if not self._gathering:
            # Once per turn of the loop: waking the writer for each request costs more.
            self._loop.call_soon(self._hand_over)
        self._gathering += [(summary, None) for summary in _summaries_of(delivery, batch)]
        self._gathering.append((delivery, _Waiting(delivery, batch, byte_count, answered)))
        return answered

    def _hand_over(self) -> None:
        if self._gathering:
            self._commits.put(self._gathering)
            self._gathering = []

    def _on_committed(self, group: CommittedGroup[_Waiting]) -> None:
        """Called in the writer's thread: bring the news to the event loop, in one call."""
        assert self._loop is not None
        is_first_failure = isinstance(group.error, LogFailed) and self.failure is None
        if isinstance(group.error, LogFailed):
            self.failure = group.error
        # The loop may have been closed while the group was written: nobody waits then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._answer, group)
        if is_first_failure and self._on_failure is not None and self.failure is not None:
            self._on_failure(self.failure)

    def _answer(self, group: CommittedGroup[_Waiting]) -> None:
        is_refusal_of_all = group.error is None or not isinstance(group.error, UsageError)
        if is_refusal_of_all:
            self._last_error = (group.error, self._clock.monotonic())
        for place, waiting in enumerate(group.tickets):
            self._waiting -= 1
            self._held_bytes -= waiting.byte_count
            if group.error is None:
                duplicates = None if place in group.passed_over else self._count(waiting)
                if not waiting.answered.done():
                    waiting.answered.set_result(duplicates)
            elif not waiting.answered.done():
                waiting.answered.set_exception(self._refusal_for(group.error))
        self._groups += 1
        self._group_requests_max = max(self._group_requests_max, len(group.tickets))
        if group.error is None:
            self.on_group(group.commit_s, len(group.tickets))
        self._commit_s += group.commit_s
        self._commit_s_max = max(self._commit_s_max, group.commit_s)

    def _count(self, waiting: _Waiting) -> int:
        """Count a durable delivery and remember its ids; returns the number of duplicates."""
        delivery, batch = waiting.delivery, waiting.batch
        received_at = delivery.received_at
        hashes = that_reach(
            batch.id_hashes, batch.id_times, received_at, delivery.intake, self.limits
        )
        duplicates = self._recent_ids.remember(delivery.source, hashes, received_at)
        self._requests += 1
        self._events += batch.event_count
        self._rejected += batch.rejected_count
        self._duplicates += duplicates
        self._bytes += waiting.byte_count
        return duplicates

    def _refusal_for(self, error: NotAppended) -> RequestRefused:
        if isinstance(error, LogFailed):
            return self._try_later(
                "log_failed",
                "send the request again with the same event ids; the collector has to be restarted",
            )
        if isinstance(error, LogFull):
            return self._try_later("log_full", f"send the request again later ({error})")
        if isinstance(error, UsageError):
            return self._try_later("too_many_sources", f"{error.hint} ({error})")
        return self._try_later("log_unavailable", f"send the request again later ({error})")

    def _try_later(self, code: RefusalCode, hint: str) -> RequestRefused:
        return RequestRefused(code, hint, self.limits.retry_after_s)


def _declared(limits: CollectorLimits) -> frozenset[str]:
    for name in limits.declared_sources:
        if SOURCE_NAME.fullmatch(name) is None:
            raise UsageError(
                f"collector.sources names {name!r}", "name sources like shop-eu: [a-z0-9][a-z0-9_-]"
            )
    return limits.declared_sources


def _summaries_of(delivery: Delivery, batch: Batch) -> Iterator[Delivery]:
    """What stands for the rejected events that are not kept, next to the delivery of the others."""
    for first, count in batch.summaries:
        yield replace(
            delivery, lines=b"", line_count=0, rejects=((0, first),), replay_of=summary_mark(count)
        )
