"""What is left of a user who was erased: looked for, and told in a receipt.

Files are searched as they rest, and the log's records as they are read: in its file, many of them
are compressed.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from rtcdp.definitions import Fold, Metric
from rtcdp.engines.native.erasing import Erased
from rtcdp.engines.native.erasure import USER
from rtcdp.engines.resume import records_between
from rtcdp.log.contract import ErasableLog, LogReader, Records
from rtcdp.log.embedded import file_of
from rtcdp.log.named import pattern_of, spellings
from rtcdp.runtime.adapters import STORES
from rtcdp.runtime.parts import (
    folds_of,
    log_reader,
    metrics_left_out,
    store_of,
    stored_metrics_of,
)
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Receipt, Traced

SHORT_ID = 6
"""Shorter ids stand in files by chance, so that finding one says nothing."""

_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Search:
    """How to look: `ends` are the offsets that the log went up to when the user was erased (what
    came later is theirs again), `without` are files that are left out, gone through when it is
    known which files there are, and `on_slice` is called after each slice of what is read."""

    ends: Mapping[int, int] = field(default_factory=dict)
    without: Iterable[Path] = ()
    on_slice: Callable[[], None] = lambda: None


WHOLE = Search()


def receipt_of(
    settings: Settings,
    erased: Erased,
    user_id: str,
    by: str,
    notes: Sequence[str] = (),
    search: Search = WHOLE,
) -> Receipt:
    """Look for what is left of a user who was erased; the receipt, which is not signed yet."""
    with store_of(settings, read_only=True) as store:
        catalog: list[Metric | Fold] = [*stored_metrics_of(settings), *folds_of(settings)]
        left_out = metrics_left_out(store, catalog)
    with log_reader(settings) as log:
        found = found_of(settings, log, user_id, search)
    told = (*notes, *_notes(erased, user_id, left_out, _others(folds_of(settings))))
    return _receipt(erased, by, found, told)


def found_of(
    settings: Settings, log: LogReader, user_id: str, search: Search = WHOLE
) -> tuple[Traced, ...]:
    """What still holds the id: records of a log that can erase, files of this machine, and tables
    of a server. What stands in a record is not told of the log's file as well."""
    folder = settings.log_path
    log_files = () if folder is None else _files_of_log(folder)
    settled = log.settle() if isinstance(log, ErasableLog) else ()
    in_files = replace(search, without=chain(settled, search.without))
    traces = tuple(find(places_of(settings), user_id, in_files))
    # After the files: what came in meanwhile may stand in them, too.
    records = tuple(find_in_log(log, user_id, search)) if isinstance(log, ErasableLog) else ()
    of_log = sum(each.count for _, each in records)
    files = []
    for each in traces:
        is_of_log = each.place in log_files
        count = max(0, each.count - of_log) if is_of_log else each.count
        of_log -= each.count - count
        files.append(Traced(each.place, count))
    told = [each for is_left, each in records if is_left]
    tables = find_in_tables(settings, user_id, search)
    return (*told, *(each for each in files if each.count > 0), *tables)


def find_in_tables(settings: Settings, user_id: str, search: Search = WHOLE) -> Iterator[Traced]:
    """How often the id stands in each table of a store on a server that can be searched, as a word
    of its own."""
    if not STORES[settings.store_kind].is_searched:
        return
    values_with = STORES[settings.store_kind].opener("values_with")
    pattern = pattern_of(user_id)
    counts: Counter[str] = Counter()
    found = values_with(settings.store_url, spellings(user_id), search.on_slice)
    for table, value in found:
        counts[table] += sum(1 for _ in pattern.finditer(value))
    for table, count in sorted(counts.items()):
        if count:
            yield Traced(f"the table {table} of the store", count)


def _files_of_log(folder: Path) -> tuple[str, ...]:
    path = file_of(folder).resolve()
    return str(path), str(path.with_name(f"{path.name}-wal"))


def find_in_log(
    log: LogReader, user_id: str, search: Search = WHOLE
) -> Iterator[tuple[bool, Traced]]:
    """How often the id stands in the records of each partition, as a word of its own: first in
    those up to the search's end (True), then in those beyond. Reads the whole log."""
    pattern = pattern_of(user_id)
    for partition in log.partitions():
        extent = log.extent(partition)
        end = min(search.ends.get(partition, extent.next_offset), extent.next_offset)
        middle = max(extent.first_offset, end)
        for first, last in ((extent.first_offset, middle), (middle, extent.next_offset)):
            count = 0
            for piece in records_between(log, partition, first, last):
                count += _count_among(piece, pattern)
                search.on_slice()
            if count:
                place = f"records of partition {partition} of the log"
                yield last == middle, Traced(place, count)


def _count_among(records: Records, pattern: re.Pattern[bytes]) -> int:
    texts = (records.lines, *(record.raw for record in records.odd))
    return sum(1 for text in texts for _ in pattern.finditer(text))


def places_of(settings: Settings) -> list[Path]:
    """The folders and files that an installation keeps on this machine."""
    paths = [settings.data_dir, settings.log_path, settings.store_path]
    return [path for path in paths if path is not None]


def find(places: Sequence[Path], user_id: str, search: Search = WHOLE) -> Iterator[Traced]:
    """The files that hold the id as a word of its own, in any spelling, and how often."""
    files = {each for place in places for each in _files(place)}
    left_out = {path.resolve() for path in search.without}
    for path in sorted(files - left_out):
        count = _count_in(path, user_id, search.on_slice)
        if count:
            yield Traced(str(path), count)


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path.resolve() for path in place.rglob("*") if path.is_file())
        return
    # What databases keep beside a file.
    beside = (place.with_name(f"{place.name}{end}") for end in ("", "-wal", "-shm", "-journal"))
    yield from (path.resolve() for path in beside if path.is_file())


def _count_in(path: Path, user_id: str, on_slice: Callable[[], None]) -> int:
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
            on_slice()
    return count


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
        yield "the id is short: a search may find it by chance"


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
