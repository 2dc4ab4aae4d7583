"""Everything that an installation knows of a user, line by line: what an erasure would take out."""

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import tables_of
from rtcdp.engines.native.erasure import USER, Known, Parts, traces_of, uncounted_of
from rtcdp.engines.native.user_rows import named_rows
from rtcdp.engines.resume import records_between
from rtcdp.folds.timeline import TIMELINE, row_tables_of
from rtcdp.log.contract import LogReader
from rtcdp.runtime.parts import folds_of, stored_metrics_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import Store

_BATCH_BYTES = 16 * 2**20

Line = dict[str, Any]


def export_user(settings: Settings, log: LogReader, store: Store, user_id: str) -> Iterator[Line]:
    """Each record of the user with its verdict, as it rests in the log, or with what is kept of one
    that the log no longer holds; then each row that names them, of metrics and of folds. Changes
    nothing, and may run beside a processor."""
    metrics = [m for m in stored_metrics_of(settings) if m.name in store.metrics()]
    folds = [fold for fold in folds_of(settings) if fold.name in store.row_tables()]
    tables = row_tables_of(folds)
    parts = Parts(log, store, metrics, tables, [fold.name for fold in folds], _BATCH_BYTES)
    records = traces_of(parts, user_id).records
    with store.snapshot() as snapshot:
        kept = {
            (row["partition"], row["offset"]): row["raw"]
            for row in uncounted_of(snapshot, user_id)
            if row["raw"] is not None
        }
    raws = _raws(log, records)
    for place, known in sorted(records.items()):
        yield _record(known, raws.get(place) or kept.get(place))
    with store.snapshot() as snapshot:
        for metric in metrics:
            for table in tables_of(metric):
                for rows in named_rows(snapshot, metric, table, user_id):
                    for row in rows.iter_rows(named=True):
                        yield {"kind": "metric", "name": table.name, "row": row}
        for row_table in tables:
            if row_table.group_key != (USER,):
                continue
            # Timelines tell events once more, and keep them longer than the log does.
            kind = "timeline" if row_table.name.startswith(TIMELINE) else "fold"
            rows = snapshot.rows(row_table, pl.DataFrame({USER: [user_id]}))
            for row in rows.iter_rows(named=True):
                yield {"kind": kind, "name": row_table.name, "row": _plain(row)}


def encoded(line: Line) -> bytes:
    """A line as JSON."""
    return msgspec.json.encode(line)


def _record(known: Known, raw: bytes | None) -> Line:
    line: Line = {
        "kind": "record",
        "partition": known.place[0],
        "offset": known.place[1],
        "source": known.source,
        "received_at": iso_ms(known.received_at),
        "verdict": known.verdict or "unknown",
        "reason": known.reason,
    }
    if raw is None:
        return line
    try:
        return {**line, "event": msgspec.json.decode(raw)}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {**line, "raw": raw.decode(errors="backslashreplace")}


def _raws(log: LogReader, records: dict[tuple[int, int], Known]) -> dict[tuple[int, int], bytes]:
    raws = {}
    for partition in {place[0] for place in records}:
        wanted = [offset for at, offset in records if at == partition]
        first = max(min(wanted), log.extent(partition).first_offset)
        among = set(wanted)
        for piece in records_between(log, partition, first, max(wanted) + 1):
            if among.isdisjoint(range(piece.first_offset, piece.next_offset)):
                continue
            for record in piece.each():
                if record.offset in among and not record.is_corrupt:
                    raws[partition, record.offset] = record.raw
    return raws


def _plain(row: Line) -> Line:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in row.items()
    }
