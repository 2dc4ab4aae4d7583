"""The embedded log's reader, and the deletion of old records."""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import starmap
from pathlib import Path

from rtcdp.errors import UsageError
from rtcdp.log.aged import NOTHING_AGED, Aged
from rtcdp.log.contract import LogExtent, OffsetsMissing, Records, aged_mark, erased_mark
from rtcdp.log.embedded.aging import read_aged, write_aged
from rtcdp.log.embedded.chunk import Chunk, header_of
from rtcdp.log.embedded.columns import (
    ODD_WEIGHT,
    PARTITION,
    OffsetsTangled,
    fitted,
    from_record,
    pieces_of,
    records_of,
)
from rtcdp.log.embedded.erasing import empty_wal, erase_from_chunk, write_anew
from rtcdp.log.embedded.errors import errors_of, gone, malformed
from rtcdp.log.embedded.file import (
    LOCK_TIMEOUT_MS,
    PAGE_BYTES,
    beside_bytes,
    connect,
    file_of,
    has_schema,
    identity,
    line_bytes_in,
    read_extent,
    single,
    transaction,
    used_bytes,
    version_of,
    wal_of,
    write_turn,
)
from rtcdp.log.limits import Retention

STEP_CHUNKS = 256
STEP_BYTES = 32 * 2**20


def expire_some(
    connection: sqlite3.Connection, committed: int, retention: Retention, now_ms: int, path: Path
) -> int:
    """Delete some of what `retention` doesn't keep, in one short transaction.

    Only whole chunks before offset `committed` go. Returns the number of deleted records, 0 when
    nothing is left to delete. The caller holds the write turn.
    """
    with transaction(connection, "IMMEDIATE"):
        rows = connection.execute(
            "SELECT first_offset, received_at_max,"
            " coalesce(length(lines) + length(odd) + length(spans), 0)"
            " FROM chunk ORDER BY first_offset LIMIT ?",
            (STEP_CHUNKS + 1,),
        ).fetchall()
        end, _ = read_extent(connection, path)
        first = until = rows[0][0] if rows else end
        used = used_bytes(connection) + beside_bytes(path)
        freed = 0
        nexts = [*(row[0] for row in rows[1:]), end]
        newest = _not_from_the_future([row[1] for row in rows], now_ms)
        for (_, _, size), received_at_max, following in zip(
            rows[:STEP_CHUNKS], newest, nexts, strict=False
        ):
            age_ms = now_ms - received_at_max
            is_surplus = age_ms > retention.max_age_ms or used - freed > retention.max_bytes
            if following > committed or age_ms < retention.min_age_ms or not is_surplus:
                break
            until = following
            freed += -(-size // PAGE_BYTES) * PAGE_BYTES if size > PAGE_BYTES else size
            if freed >= STEP_BYTES:
                break
        connection.execute("DELETE FROM chunk WHERE first_offset < ?", (until,))
    return int(until - first)


def _not_from_the_future(received_at: list[object], now_ms: int) -> list[int]:
    """Intake times; those that lie ahead give way to the smallest one behind them. A clock that was
    ahead for a while must not keep a chunk, and all that follow it, until that time comes."""
    kept: list[int] = []
    earliest = now_ms
    for found in reversed(received_at):
        time = found if isinstance(found, int) else 0
        kept.append(time if time <= now_ms else earliest)
        earliest = min(earliest, kept[-1])
    return kept[::-1]


_POLL_S = 0.004
_EMPTY = LogExtent(PARTITION, 0, 0, 0)
_CHUNKS = (
    "SELECT first_offset, record_count, received_at_min, received_at_max, header_checksum,"
    " checksum, spans, odd, lines, {line_bytes} FROM chunk WHERE first_offset >= ?"
    " ORDER BY first_offset LIMIT ? OFFSET ?"
)
_SIZES = (
    "SELECT iif(first_offset + record_count > ?,"
    " max(coalesce({line_bytes}, length(lines)), 0) + ? * (length(odd) - 1), 0)"
    " FROM chunk WHERE first_offset >= ? ORDER BY first_offset"
)
_HAS_FURTHER = "SELECT 1 FROM chunk WHERE first_offset >= ? ORDER BY first_offset LIMIT 1 OFFSET ?"
_CHUNK_HEADER = (
    "SELECT first_offset, record_count, received_at_min, received_at_max, header_checksum,"
    " checksum, spans FROM chunk WHERE first_offset <= ? ORDER BY first_offset DESC LIMIT 1"
)
_OLDEST_SINCE = (
    "SELECT min(received_at_min) FROM chunk WHERE first_offset >= ? AND received_at_min > 0"
)


class EmbeddedLogReader:
    """Reads `DIRECTORY/log.db`, also while other processes append; usable from several threads.

    Where there is no log yet, it is empty until one appears. The methods raise `LogUnavailable`
    (locked, no permission), `LogGone` (the file that was read was deleted, as long as none is
    there; or replaced, once), `LogFailed` (damaged beyond single chunks) or `LogVersionMismatch`.
    """

    def __init__(self, directory: Path, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> None:
        self._directory = directory
        self._path = file_of(directory)
        self._lock_timeout_ms = lock_timeout_ms
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._has_seen_log = False

    def log_id(self) -> str:
        """When the log was made (UTC ms); two logs that take each other's place differ in it."""
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return ""
            created_at = single(connection, "SELECT number FROM about WHERE name = 'created_at'")
        return "" if created_at is None else f"embedded:{created_at}"

    def partitions(self) -> Sequence[int]:
        return (PARTITION,)

    def extent(self, partition: int) -> LogExtent:
        """What the log holds; `bytes` are those of the database's pages in use, its WAL and the
        index of that. Free pages are used again before the file grows."""
        _check(partition)
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return _EMPTY
            with transaction(connection, "DEFERRED"):
                return self._extent(connection)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        """Records from `offset` on: as many whole chunks as fit into `max_bytes`, or a part of
        the first one, at least one record unless `offset` is the end of the log.

        Records of a damaged chunk come as corrupt ones, the first one with the damaged bytes.
        Raises `OffsetsMissing` when `offset` lies before the first or after the end.
        """
        _check(partition)
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return self._empty_at(offset, _EMPTY)
            with transaction(connection, "DEFERRED"):
                extent = self._extent(connection)
                if not extent.first_offset <= offset < extent.next_offset:
                    return self._empty_at(offset, extent)
                chunks = _chunks_from(connection, offset, max_bytes)
                end = _end_of(connection, chunks, extent.next_offset)
        try:
            pieces = list(from_record(pieces_of(chunks, end), offset - chunks[0].first_offset))
        except OffsetsTangled as error:
            raise malformed(self._path, str(error)) from error
        if not pieces:
            raise malformed(self._path, f"offset {offset} can't be found")
        return records_of(fitted(pieces, max_bytes), offset)

    def offset_at(self, partition: int, received_at: int) -> int:
        """The first offset of the first chunk that holds a record with an intake time of
        `received_at` (UTC ms) or later; the end of the log when there is none."""
        _check(partition)
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return 0
            with transaction(connection, "DEFERRED"):
                first: int | None = single(
                    connection,
                    "SELECT min(first_offset) FROM chunk WHERE received_at_max >= ?",
                    received_at,
                )
                return read_extent(connection, self._path)[0] if first is None else first

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        """The smallest intake time at `offset` and after, of all chunks whose header is sound."""
        _check(partition)
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return None
            with transaction(connection, "DEFERRED"):
                first = connection.execute(_CHUNK_HEADER, (offset,)).fetchone()
                if first is None:
                    return None
                later: int | None = single(connection, _OLDEST_SINCE, first[0] + 1)
        times = [] if later is None else [later]
        header = header_of(Chunk(*(*first, b"", b"")))
        if header is not None:
            ends = first[0] + header.runs["count"].cumsum()
            times += header.runs["received_at"][ends > offset].tolist()
        return min((time for time in times if time > 0), default=None)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Block until there is a record at or after the given offset, 0 if none is given; False
        when there is none after `timeout_s` seconds."""
        for partition in next_offsets:
            _check(partition)
        wanted = next_offsets.get(PARTITION, 0)
        deadline = time.monotonic() + timeout_s
        while not self._reaches(wanted):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_POLL_S, left_s))
        return True

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        """Delete whole chunks, oldest first, as long as the oldest is older than
        `retention.max_age_ms` or the log larger than `retention.max_bytes`.

        Stops at the first chunk that is not committed or younger than `retention.min_age_ms`.
        Writes in short turns, so that appends go on. The file keeps its size; its free pages are
        used again. Returns the number of deleted records.
        """
        if identity(self._path) is None:
            return 0
        deleted = 0
        with errors_of(self._path), closing(self._connected()) as connection:
            if not has_schema(connection, self._path):
                return 0
            while True:
                with write_turn(self._directory, self._lock_timeout_ms):
                    step = expire_some(
                        connection, committed.get(PARTITION, 0), retention, now_ms, self._path
                    )
                if step == 0:
                    return deleted
                deleted += step
                time.sleep(_POLL_S)

    def erase(self, offsets: Mapping[int, Sequence[int]]) -> int:
        """See `rtcdp.log.contract.ErasableLog`. Afterwards neither the file nor its WAL holds a
        byte of these records, or of any that were deleted before. Appends wait while the file is
        written anew, and are refused (`LogUnavailable`) after `LOCK_TIMEOUT_MS`: a large log takes
        longer.

        Raises `LogUnavailable` as well while a reader keeps the WAL from being emptied: what was
        erased is erased, and to be asked for again."""
        if identity(self._path) is None:
            return 0
        with errors_of(self._path), closing(self._connected()) as connection:
            if not has_schema(connection, self._path):
                return 0
            erased = self._take_out(connection, offsets, erased_mark)
            with write_turn(self._directory, self._lock_timeout_ms):
                write_anew(connection, self._path)
        return erased

    def settle(self) -> Sequence[Path]:
        """See `rtcdp.log.contract.ErasableLog`: what is written to a WAL that was emptied are pages
        anew, each as often as something was added to it. Appends wait."""
        if identity(self._path) is None:
            return ()
        turn = write_turn(self._directory, self._lock_timeout_ms)
        with errors_of(self._path), closing(self._connected()) as connection, turn:
            return (wal_of(self._path),) if empty_wal(connection) else ()

    def aged(self) -> Aged:
        """See `rtcdp.log.aged.AgingLog`, as the next three."""
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            return NOTHING_AGED if connection is None else read_aged(connection)

    def note_aged(self, aged: Aged) -> None:
        turn = write_turn(self._directory, self._lock_timeout_ms)
        with errors_of(self._path), closing(self._connected()) as connection, turn:
            write_aged(connection, aged)

    def age(self, offsets: Mapping[int, Sequence[int]]) -> int:
        with errors_of(self._path), closing(self._connected()) as connection:
            return self._take_out(connection, offsets, aged_mark)

    def overwrite_aged(self) -> None:
        # To overwrite what goes is not enough: where pages are filled anew, copies of what lay in
        # them are left behind.
        turn = write_turn(self._directory, self._lock_timeout_ms)
        with errors_of(self._path), closing(self._connected()) as connection, turn:
            write_anew(connection, self._path)

    def _take_out(
        self,
        connection: sqlite3.Connection,
        offsets: Mapping[int, Sequence[int]],
        mark: Callable[[int], str],
    ) -> int:
        """Take records out of their chunks, one chunk at a turn; pages that get free are
        overwritten."""
        wanted = sorted(offsets.get(PARTITION, ()))
        connection.execute("PRAGMA secure_delete = ON")
        taken, at, among = 0, -1, frozenset(wanted)
        for offset in wanted:
            if offset < at:
                continue
            with write_turn(self._directory, self._lock_timeout_ms):
                count, at = erase_from_chunk(connection, offset, among, mark)
            taken += count
        return taken

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        """The file has no place for it, and nobody who would ask."""

    def close(self) -> None:
        """End the reader. May be called twice; a later call opens it again."""
        with self._mutex:
            self._disconnect()

    def _opened(self) -> sqlite3.Connection | None:
        """The connection, or None while there is no log and none was seen. Says once that a file
        was replaced, and then reads the new one."""
        current = identity(self._path)
        if current != self._identity or current is None:
            was_replaced = self._identity is not None
            self._disconnect()
            if was_replaced or (current is None and self._has_seen_log):
                raise gone(self._path)
        if self._connection is None and current is not None:
            connection = self._connected()
            try:
                if has_schema(connection, self._path):
                    connection.execute("PRAGMA query_only = ON")
                    self._connection, self._identity = connection, current
                    self._has_seen_log = True
            finally:
                if self._connection is None:
                    connection.close()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        return connect(self._path, self._lock_timeout_ms)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._identity = None

    def _extent(self, connection: sqlite3.Connection) -> LogExtent:
        end, newest = read_extent(connection, self._path)
        first = single(connection, "SELECT min(first_offset) FROM chunk")
        if first is None:
            return LogExtent(PARTITION, end, end, _bytes_on_disk(connection, self._path))
        return LogExtent(PARTITION, first, end, _bytes_on_disk(connection, self._path), newest)

    def _reaches(self, offset: int) -> bool:
        with self._mutex, errors_of(self._path):
            connection = self._opened()
            if connection is None:
                return False
            return read_extent(connection, self._path)[0] > offset

    def _empty_at(self, offset: int, extent: LogExtent) -> Records:
        if offset == extent.next_offset:
            return records_of([], offset)
        raise OffsetsMissing(
            f"offset {offset} was asked for, but {self._path} holds "
            f"[{extent.first_offset}, {extent.next_offset})",
            "check that log and store belong together and that retention keeps enough",
        )


def _bytes_on_disk(connection: sqlite3.Connection, path: Path) -> int:
    return used_bytes(connection) + beside_bytes(path)


def _chunks_from(connection: sqlite3.Connection, offset: int, max_bytes: int) -> list[Chunk]:
    """The chunk with `offset`, and as many of the next ones as fit into `max_bytes` with it; more
    if need be, so that the last one is sound.

    Rows are counted rather than compared: in a damaged file they may be out of order.
    """
    start = single(
        connection, "SELECT max(first_offset) FROM chunk WHERE first_offset <= ?", offset
    )
    line_bytes = line_bytes_in(version_of(connection))
    sizes_sql, chunks_sql = (sql.format(line_bytes=line_bytes) for sql in (_SIZES, _CHUNKS))
    sizes = connection.execute(sizes_sql, (offset, ODD_WEIGHT, start))
    rows = total = 0
    for (size,) in sizes:
        if total and total + (size or 0) > max_bytes:
            break
        total += size or 0
        rows += 1
    sizes.close()
    chunks = list(starmap(Chunk, connection.execute(chunks_sql, (start, rows, 0))))
    while header_of(chunks[-1]) is None:
        further = connection.execute(chunks_sql, (start, 1, len(chunks))).fetchall()
        if not further:
            break
        chunks += starmap(Chunk, further)
    return chunks


def _end_of(connection: sqlite3.Connection, chunks: Sequence[Chunk], log_end: int) -> int:
    """Where the log goes on after `chunks`: at the end of the last one, or, when no chunk follows,
    at the end of the log."""
    last = chunks[-1]
    if header_of(last) is None or last.first_offset + last.record_count == log_end:
        return log_end
    has_further = single(connection, _HAS_FURTHER, chunks[0].first_offset, len(chunks))
    return last.first_offset + last.record_count if has_further else log_end


def _check(partition: int) -> None:
    if partition != PARTITION:
        raise UsageError(
            f"the embedded log has no partition {partition}", f"use partition {PARTITION}"
        )
