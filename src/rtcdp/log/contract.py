"""Where records rest: an append-only, partitioned, durable sequence of bytes.

A record is one event's bytes with its partition, offset, intake time and source. An offset is a
position; `next_offset` is where to resume, and only that is ever stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rtcdp.errors import RtcdpError
from rtcdp.log import limits
from rtcdp.log.limits import Retention
from rtcdp.log.piece import Piece

Intake = Literal["live", "import"]
"""How records came: `live` ones can be late, imported history never is."""

DEFAULT_SOURCE = limits.DEFAULT_SOURCE


class LogUnavailable(RtcdpError):
    """The log can't take or give records now, and may be able to soon (a full disk, a lock).

    The refused append is not acknowledged. Of an embedded log nothing of it is there; a server may
    have some of it, if its answer got lost. Sent again with the same event ids it counts once.
    """

    exit_code = 3


class LogFull(LogUnavailable):
    """The log holds as much as it may, and none of it may be deleted yet."""


class LogGone(LogUnavailable):
    """The log was taken away, or another file put in its place, while this process used it.

    The refused append is not acknowledged. Whoever opens the log again has to look whether it is
    the same one.
    """


class LogFailed(RtcdpError):
    """The log broke (a failed fsync or write): this process must not write to it again.

    Whether the last append is durable is unknown. A restart recovers what is.
    """

    exit_code = 3


class OffsetsMissing(RtcdpError):
    """Records that were asked for are no longer there, or not there yet after a truncation."""


class LogReplaced(OffsetsMissing):
    """The log is another one than that which was counted so far: it was deleted and made anew."""


@dataclass(frozen=True)
class Delivery:
    """Records that came together, to be appended.

    `lines` is NDJSON (each line one record, every line ended by a newline) that passed
    `rtcdp.events.codec`; `rejects` are the records that did not, with their place: `(index, raw)`
    means that `raw` is the index-th of the whole delivery. `received_at` is UTC milliseconds.
    `replay_of` is given for a replayed dead letter: its partition and offset, which make the new
    record's event id where it has none of its own, so that a second replay is a duplicate. Or it is
    a `summary_mark`: each record stands for so many then, of which it is the first; or an
    `erased_mark`. `trace` is what continues the trace of the request that it came with (a
    `traceparent`), if there is one. `piece` is what the records are of, if that is to be imported
    once.
    """

    lines: bytes
    line_count: int
    received_at: int
    source: str = DEFAULT_SOURCE
    intake: Intake = "live"
    rejects: tuple[tuple[int, bytes], ...] = ()
    replay_of: str | None = None
    trace: str = ""
    piece: Piece | None = None

    @property
    def record_count(self) -> int:
        return self.line_count + len(self.rejects)


_SUMMARY, _ERASED, _AGED = "summary:", "erased:", ":aged"
_SUMMARY_DIGITS_MAX = 7


def summary_mark(count: int) -> str:
    """The mark of a record that stands for `count` rejected ones of one request, itself among
    them."""
    return f"{_SUMMARY}{count}"


def erased_mark(count: int = 1) -> str:
    """The mark of a record whose bytes were taken out of the log, with its user; it stood for
    `count` records."""
    return f"{_ERASED}{count}"


def aged_mark(count: int = 1) -> str:
    """The mark of a record whose bytes were taken out of the log because its type of event is kept
    for no longer. For who doesn't tell these apart, it is an erased one."""
    return f"{_ERASED}{count}{_AGED}"


@dataclass(frozen=True)
class RawRecord:
    """One record by itself, or a summary; or the place of one that was erased."""

    partition: int
    offset: int
    received_at: int
    source: str
    intake: Intake
    raw: bytes
    is_corrupt: bool = False
    replay_of: str | None = None

    @property
    def stands_for(self) -> int:
        """How many records were taken in for this one."""
        if self.replay_of is None or not self.replay_of.startswith((_SUMMARY, _ERASED)):
            return 1
        _, _, count = self.replay_of.removesuffix(_AGED).partition(":")
        is_number = count.isascii() and count.isdigit() and len(count) <= _SUMMARY_DIGITS_MAX
        return max(1, int(count)) if is_number else 1

    @property
    def is_erased(self) -> bool:
        """Whether nothing of it is left but its place, its source and when it came."""
        return self.replay_of is not None and self.replay_of.startswith(_ERASED)

    @property
    def is_aged(self) -> bool:
        """Whether that is because its type of event is kept for no longer: what was decided of it
        stands, and it counts where it was counted."""
        return self.is_erased and str(self.replay_of).endswith(_AGED)


Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """The records of one partition in `[first_offset, next_offset)`, in columns.

    Offsets may be missing in between, for a log may use some for itself (Kafka does for the ends of
    transactions), or may have compacted records away. `lines` holds the verified ones as NDJSON,
    one per newline. The arrays have one entry per line: `offsets` (int64), `received_at` (int64,
    UTC ms), `source_codes` (int64, index into `sources`), `imported` (bool). `odd` holds the
    others, sorted by offset: records that the codec rejected at intake, stored records whose
    checksum fails, and replayed dead letters. `traces` continue those that some of the records
    have brought with them. `written` has the bytes that the log holds, by offset, of those that are
    given otherwise than they are written; it may have more than are here.
    """

    partition: int
    first_offset: int
    next_offset: int
    lines: bytes
    offsets: Int64Array
    received_at: Int64Array
    source_codes: Int64Array
    imported: npt.NDArray[np.bool_]
    sources: tuple[str, ...]
    odd: tuple[RawRecord, ...] = ()
    traces: tuple[str, ...] = ()
    written: Mapping[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many offsets they span; 0 only when there was nothing to read."""
        return self.next_offset - self.first_offset

    @property
    def record_count(self) -> int:
        """How many records there are."""
        return len(self.offsets) + len(self.odd)

    @property
    def received_count(self) -> int:
        """How many were taken in: a summary stands for several."""
        return len(self.offsets) + sum(record.stands_for for record in self.odd)

    def until(self, next_offset: int) -> "Records":
        """The same records, without those at `next_offset` and after."""
        if next_offset >= self.next_offset:
            return self
        kept = int(np.searchsorted(self.offsets, next_offset))
        return replace(
            self,
            next_offset=next_offset,
            lines=self.lines[: _start_of_line(self.lines, kept)],
            offsets=self.offsets[:kept],
            received_at=self.received_at[:kept],
            source_codes=self.source_codes[:kept],
            imported=self.imported[:kept],
            odd=tuple(record for record in self.odd if record.offset < next_offset),
        )

    def since(self, first_offset: int) -> "Records":
        """The same records, without those before `first_offset`, which lies among them."""
        if first_offset <= self.first_offset:
            return self
        left = int(np.searchsorted(self.offsets, first_offset))
        return replace(
            self,
            first_offset=first_offset,
            lines=self.lines[_start_of_line(self.lines, left) :],
            offsets=self.offsets[left:],
            received_at=self.received_at[left:],
            source_codes=self.source_codes[left:],
            imported=self.imported[left:],
            odd=tuple(record for record in self.odd if record.offset >= first_offset),
        )

    def each(self) -> Iterator[RawRecord]:
        """The records one by one in offset order; for tools and tests, not for the hot path."""
        verified = (
            RawRecord(
                partition=self.partition,
                offset=offset,
                received_at=received_at,
                source=self.sources[source],
                intake="import" if is_imported else "live",
                raw=line,
            )
            for line, offset, received_at, source, is_imported in zip(
                self.lines.split(b"\n"),
                self.offsets.tolist(),
                self.received_at.tolist(),
                self.source_codes.tolist(),
                self.imported.tolist(),
                strict=False,
            )
        )
        yield from sorted([*verified, *self.odd], key=lambda record: record.offset)


def _start_of_line(lines: bytes, number: int) -> int:
    """Where line `number`, counted from 0, begins, or would begin after the last one."""
    if number == 0:
        return 0
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    return int(ends[number - 1]) + 1


@dataclass(frozen=True)
class LogExtent:
    """What a partition holds: offsets `[first_offset, next_offset)`, its bytes on disk (0 where the
    log can't tell), and the intake time of the newest record (0 when there is none)."""

    partition: int
    first_offset: int
    next_offset: int
    bytes: int
    newest_received_at: int = 0


@dataclass(frozen=True)
class LogMark:
    """What a log is known again by: the record at `offset`, and a checksum (63 bits) of its bytes
    and its intake time."""

    offset: int
    checksum: int


@dataclass(frozen=True)
class Appended:
    """Where a delivery came to rest: its records have the offsets from `first_offset` on. Both are
    -1 where a log spreads them over partitions and does not ask where they went, and `record_count`
    is 0 where they are of a piece that was imported before."""

    partition: int
    first_offset: int
    record_count: int = field(default=0)


class LogReader(Protocol):
    """Reads records. Safe to use while another process appends."""

    def log_id(self) -> str:
        """Names this very log: another one after it was deleted and made anew. Empty when the log
        is not there yet, or was made by a version that gave none."""
        ...

    def partitions(self) -> Sequence[int]: ...

    def extent(self, partition: int) -> LogExtent: ...

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        """Records from `offset` on, about `max_bytes` of them, at least one if there is any.

        Empty (len 0) at the end of the log. Raises `OffsetsMissing` when `offset` lies before the
        first or after the end.
        """
        ...

    def offset_at(self, partition: int, received_at: int) -> int:
        """The offset of the first record with an intake time of `received_at` or later, or a
        little before it; the end of the log when there is none."""
        ...

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        """The smallest intake time (UTC ms) among the records at `offset` and after; None when
        there is none. A log that can't look at all of them looks at the next ones."""
        ...

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Block until there are records at or after the given offsets; False at the timeout."""
        ...

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        """Delete what is older or more than `retention` allows, never at or past `committed`.

        Returns the number of deleted records.
        """
        ...

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        """Take notice that everything before these offsets is counted, for tools that show how far
        a reader is. Nothing depends on it; a log that has no such place ignores it."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TranslatedLog(Protocol):
    """A log whose `read` gives records otherwise than they are written."""

    def read_as_written(self, partition: int, offset: int) -> Records:
        """The record at `offset`, or the next one, with the bytes that the log holds: those stay
        the same, whatever `read` makes of them now. Raises what `read` raises."""
        ...


@runtime_checkable
class ErasableLog(Protocol):
    """A log that can take the bytes of single records out of the midst of it."""

    def erase(self, offsets: Mapping[int, Sequence[int]]) -> int:
        """Take the bytes of the records at these offsets, by partition, out of the log for good.

        What is left of each is an odd record with an `erased_mark`: its place, its source, when it
        came, and how many it stood for. Offsets that aren't there (any more) are passed over, and
        so are records that are erased already: a second call finishes what a first one began.
        Returns how many were erased now. Raises what a reader raises.
        """
        ...

    def settle(self) -> Sequence[Path]:
        """Bring all that was appended to where it stays, so that it stands in one place. Returns
        the files that hold nothing from then on but copies of that, and what comes in later; none
        where a reader is in the way. Raises what a reader raises."""
        ...


class LogWriter(Protocol):
    """Appends records; one writer a process."""

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """Append all deliveries as one group, and return when they are durable.

        Returns one `Appended` per delivery. Raises `LogUnavailable` (nothing was appended; try
        again later), `LogFull`, or `LogFailed` (never write again from this process).
        """
        ...

    def close(self) -> None: ...


class Claim(Protocol):
    """A right that is held until `close`, or until the process dies."""

    def close(self) -> None:
        """Let it go. May be called twice."""
        ...


class NoClaim:
    """Where there is no register, there is nothing to claim."""

    def close(self) -> None:
        """Nothing to let go."""


@runtime_checkable
class ImportRegister(Protocol):
    """A writer that knows for ever which pieces of recorded files it has appended. It appends none
    a second time: the deliveries of one that is there come to rest nowhere."""

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """The pieces that were imported and follow the text which `key` names. Raises what `append`
        raises when the log can't be read."""
        ...

    def try_claim(self, key: str) -> Claim | None:
        """Claim the right to import what `key` (hex digits) names, among all processes, so that
        nobody else begins with it meanwhile; None while somebody else has it. Raises
        `LogUnavailable`."""
        ...
