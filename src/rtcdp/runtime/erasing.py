"""The erasure of a user from an installation: done, looked for, and signed for.

Files are searched as they rest, and the log's records as they are read: in its file, many of them
are compressed.
"""

import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.engines.native.erasing import Erased
from rtcdp.engines.native.erasure import USER
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.resume import records_between
from rtcdp.errors import UsageError
from rtcdp.log.contract import ErasableLog, LogReader, Records
from rtcdp.log.embedded import file_of
from rtcdp.log.named import pattern_of
from rtcdp.runtime.parts import (
    folds_of,
    log_reader,
    metrics_left_out,
    store_of,
    stored_metrics_of,
)
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.receipts import Receipt, Traced, keep_receipt
from rtcdp.runtime.settings import Settings

SHORT_ID = 6
"""Shorter ids stand in files by chance, so that finding one says nothing."""

_BLOCK_BYTES = 2**20
_SALT_BYTES = 16


def erase(settings: Settings, clock: Clock, user_id: str, by: str) -> Receipt:
    """Count what the log holds, erase a user from store and log, look for what is left, and keep a
    signed receipt.

    Works as the installation's only processor. Raises `AlreadyRunning` while another one works,
    `UsageError` for an empty id, and what log and store raise.
    """
    if not user_id:
        raise UsageError("whom shall it erase?", "give the user's id")
    if settings.engine != "native":
        settings = replace(settings, engine="native")
    with processor_of(settings, clock) as processor:
        assert isinstance(processor, Processor)
        processor.run(threading.Event(), once=True)
        erased = processor.erase(user_id, _salt_of(settings))
    return keep_receipt(settings.data_dir, receipt_of(settings, erased, user_id, by))


def receipt_of(
    settings: Settings, erased: Erased, user_id: str, by: str, notes: Sequence[str] = ()
) -> Receipt:
    """Look for what is left of a user who was erased; the receipt, which is not signed yet."""
    with store_of(settings, read_only=True) as store:
        catalog: list[Metric | Fold] = [*stored_metrics_of(settings), *folds_of(settings)]
        left_out = metrics_left_out(store, catalog)
    with log_reader(settings) as log:
        found = found_of(settings, log, user_id)
    told = (*notes, *_notes(erased, user_id, left_out, _others(folds_of(settings))))
    return _receipt(erased, by, found, told)


def found_of(settings: Settings, log: LogReader, user_id: str) -> tuple[Traced, ...]:
    """What still holds the id: records of a log that can erase, and files of this machine. What
    stands in a record is not told of the log's file as well."""
    records = tuple(find_in_log(log, user_id)) if isinstance(log, ErasableLog) else ()
    of_log = sum(each.count for each in records)
    folder = settings.log_path
    log_file = None if folder is None else str(file_of(folder).resolve())
    files = (
        Traced(each.place, each.count - of_log) if each.place == log_file else each
        for each in find(places_of(settings), user_id)
    )
    return (*records, *(each for each in files if each.count > 0))


def find_in_log(log: LogReader, user_id: str) -> Iterator[Traced]:
    """How often the id stands in the records of each partition, as a word of its own. Reads the
    whole log."""
    pattern = pattern_of(user_id)
    for partition in log.partitions():
        extent = log.extent(partition)
        pieces = records_between(log, partition, extent.first_offset, extent.next_offset)
        count = sum(_count_among(piece, pattern) for piece in pieces)
        if count:
            yield Traced(f"records of partition {partition} of the log", count)


def _count_among(records: Records, pattern: re.Pattern[bytes]) -> int:
    texts = (records.lines, *(record.raw for record in records.odd))
    return sum(1 for text in texts for _ in pattern.finditer(text))


def places_of(settings: Settings) -> list[Path]:
    """The folders and files that an installation keeps on this machine."""
    paths = [settings.data_dir, settings.log_path, settings.store_path]
    return [path for path in paths if path is not None]


def find(places: Sequence[Path], user_id: str) -> Iterator[Traced]:
    """The files that hold the id as a word of its own, in any spelling, and how often."""
    for path in sorted({each for place in places for each in _files(place)}):
        count = _count_in(path, user_id)
        if count:
            yield Traced(str(path), count)


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path.resolve() for path in place.rglob("*") if path.is_file())
        return
    # What databases keep beside a file.
    beside = (place.with_name(f"{place.name}{end}") for end in ("", "-wal", "-shm", "-journal"))
    yield from (path.resolve() for path in beside if path.is_file())


def _count_in(path: Path, user_id: str) -> int:
    """How often the id stands in a file, which is read in blocks that overlap."""
    pattern, overlap = pattern_of(user_id), 8 * len(user_id.encode()) + 2
    count, kept = 0, b""
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while block := file.read(_BLOCK_BYTES):
            text = kept + block
            is_last = len(block) < _BLOCK_BYTES or file.tell() >= size
            end = len(text) if is_last else len(text) - overlap
            begins = 1 if kept else 0
            count += sum(begins <= each.start() < end for each in pattern.finditer(text))
            kept = text[max(0, end - 1) :]
    return count


def _salt_of(settings: Settings) -> str:
    with store_of(settings, read_only=True) as store:
        known = store.erased_users()
    return known[0].salt if known else token_hex(_SALT_BYTES)


def _others(folds: Sequence[Fold]) -> list[str]:
    """Folds that are not kept by user."""
    return sorted(fold.name for fold in folds if fold.table.group_key != (USER,))


def _notes(
    erased: Erased, user_id: str, left_out: Sequence[str], others: Sequence[str]
) -> Iterator[str]:
    """What whoever reads the receipt has to know beside it."""
    if not erased.log_is_erasable:
        yield (
            "the log can't erase: its records go with the topic's retention, and never count again"
        )
    if left_out:
        yield f"not looked at, because they stand still: {', '.join(left_out)}"
    if others:
        yield f"not looked at, because they are not kept by user: {', '.join(others)}"
    if erased.damaged:
        yield f"{erased.damaged:,} records of the log are damaged: nobody can tell whose they are"
    if erased.has_lost_counted:
        yield "counts of windows that damaged records may be in stayed as they were, without a name"
    if len(user_id.encode()) < SHORT_ID:
        yield "the id is short: what was found of it may be chance"


def _receipt(erased: Erased, by: str, found: Sequence[Traced], notes: Iterable[str]) -> Receipt:
    return Receipt(
        user_digest=erased.user.digest,
        salt=erased.user.salt,
        erased_at=erased.user.erased_at,
        by=by,
        epoch=erased.epoch,
        records=dict(erased.records),
        rows=dict(erased.rows),
        log_records=erased.log_records,
        found=tuple(found),
        notes=tuple(notes),
    )
