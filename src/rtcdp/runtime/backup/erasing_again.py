"""Whoever was erased after a backup was made is erased again in what is brought back from it.

Receipts know a user by a salted hash alone; so the users of the copy are gone through, to see who
has one of these hashes. What has none left in the copy is refused by its hash from then on.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from rtcdp.admission.batch import decode_batch
from rtcdp.admission.erased import ErasedUser, erased_digest
from rtcdp.clock import Clock
from rtcdp.definitions import RowTable, tables_of
from rtcdp.engines.native.erasing import refuse_user
from rtcdp.engines.native.erasure import USER
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.resume import records_between
from rtcdp.errors import UsageError
from rtcdp.folds.timeline import row_tables_of
from rtcdp.log.contract import ErasableLog, LogReader, RawRecord
from rtcdp.runtime.parts import folds_of, log_reader, store_of, stored_metrics_of
from rtcdp.runtime.processing import counted_alone, processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Receipt, is_genuine, keep_receipt, read_receipt
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.runtime.user_data.search import Search, receipt_of
from rtcdp.store import StoreSnapshot, UncountedScan

WHO = "restore"
_PAGE = 10_000
_NOTE = "brought back by a backup of before the erasure, and erased again"


def receipts_in(places: Iterable[Path], data_dir: Path) -> dict[Path, Receipt]:
    """The receipts in these files and folders, which the installation in `data_dir` signed.

    Raises `UsageError` for a file that is no receipt, or one that another installation signed.
    """
    receipts = {path: read_receipt(path) for path in _paths_in(places)}
    for path, receipt in receipts.items():
        if not is_genuine(data_dir, receipt):
            raise UsageError(
                f"{path} was not signed by the installation that the backup is of",
                "give receipts of that one alone: whoever they name is erased",
            )
    return receipts


def own_receipts_in(folders: Iterable[Path], data_dir: Path) -> dict[Path, Receipt]:
    """The receipts in an installation's own folders, without what the key in `data_dir` did not
    sign: it may have been lost once, and made anew."""
    receipts = {}
    for path in _paths_in(folders):
        with suppress(UsageError):
            receipt = read_receipt(path)
            if is_genuine(data_dir, receipt):
                receipts[path] = receipt
    return receipts


def _paths_in(places: Iterable[Path]) -> list[Path]:
    return [
        path
        for place in places
        for path in (sorted(place.glob("*.json")) if place.is_dir() else [place])
    ]


def not_yet_erased(receipts: Iterable[Receipt], known: Iterable[ErasedUser]) -> list[ErasedUser]:
    """Who was erased by these receipts, and not, or earlier, among those that are known."""
    before = {(user.salt, user.digest): user.erased_at for user in known}
    newest: dict[tuple[str, str], int] = {}
    for receipt in receipts:
        key = receipt.salt, receipt.user_digest
        if receipt.erased_at > max(before.get(key, -1), newest.get(key, -1)):
            newest[key] = receipt.erased_at
    return [ErasedUser(digest, salt, at) for (salt, digest), at in sorted(newest.items())]


def erase_again(settings: Settings, clock: Clock, users: Sequence[ErasedUser]) -> list[Receipt]:
    """Take these users out of an installation that nobody works on, as of when they were erased.

    Returns receipts, signed and kept, for those of whom there was something. What the embedded log
    holds is counted for it. Raises what `processor_of` and log and store raise.
    """
    if not users:
        return []
    # This one can erase, whatever engine counts later, and in how many shards.
    settings = counted_alone(settings)
    with processor_of(settings, clock) as processor:
        assert isinstance(processor, Processor)
        if settings.log_path is None:
            processor.recover()
        else:
            # It was copied before they were erased. What is no event has no time, so that it would
            # be counted later.
            processor.run(threading.Event(), once=True)
        found = _known_again(settings, users)
        for user in users:
            if user not in found:
                refuse_user(processor.store, user)
        processor.recover()
        erased = [
            (processor.erase(user_id, user.salt, user.erased_at), user_id)
            for user, user_id in found.items()
        ]
    requests = ErasureRequests(settings.data_dir, clock)
    receipts = []
    for each, user_id in erased:
        # Somebody may have asked for it as well.
        search = Search(without=list(requests.files_of(user_id)))
        receipt = receipt_of(settings, each, user_id, WHO, [_NOTE], search)
        receipts.append(keep_receipt(settings.data_dir, receipt, is_again=True))
    return receipts


def _known_again(settings: Settings, users: Sequence[ErasedUser]) -> dict[ErasedUser, str]:
    """The ids of those users of whom log or store hold anything."""
    by_salt: defaultdict[str, dict[str, ErasedUser]] = defaultdict(dict)
    for user in users:
        by_salt[user.salt][user.digest] = user
    looked_at: set[str] = set()
    found: dict[ErasedUser, str] = {}

    def look(ids: Iterable[str | None]) -> None:
        for user_id in {each for each in ids if each is not None} - looked_at:
            looked_at.add(user_id)
            for salt, wanted in by_salt.items():
                user = wanted.get(erased_digest(user_id, salt))
                if user is not None:
                    found[user] = user_id

    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        with store.snapshot() as snapshot:
            for ids in _ids_in_store(settings, snapshot, store.dump):
                look(ids)
        if isinstance(log, ErasableLog):
            for ids in _ids_in_log(settings, log):
                look(ids)
    return found


def _ids_in_store(
    settings: Settings, snapshot: StoreSnapshot, dump: Callable[..., pl.DataFrame]
) -> Iterator[Iterable[str | None]]:
    for metric in stored_metrics_of(settings):
        for table in tables_of(metric):
            if USER in table.key:
                yield dump(table)[USER].unique()
    for row_table in row_tables_of(folds_of(settings)):
        if USER in row_table.group_key:
            yield from _ids_in_rows(snapshot, row_table)
    for row in _uncounted(snapshot):
        yield [row["user_id"], _id_in(row["raw"] or b"")]


def _ids_in_rows(snapshot: StoreSnapshot, table: RowTable) -> Iterator[Iterable[str]]:
    after: tuple[int | str, ...] | None = None
    while not (page := snapshot.row_page(table, after=after, limit=_PAGE)).is_empty():
        yield page[USER].unique()
        after = page.select(table.primary_key).row(-1)


def _uncounted(snapshot: StoreSnapshot) -> Iterator[dict[str, Any]]:
    scan = UncountedScan(limit=_PAGE)
    while not (page := snapshot.uncounted(scan)).is_empty():
        yield from page.iter_rows(named=True)
        after = page.select("received_at", "partition", "offset").row(-1)
        scan = UncountedScan(limit=_PAGE, after=after)


def _ids_in_log(settings: Settings, log: LogReader) -> Iterator[Iterable[str | None]]:
    for partition in log.partitions():
        extent = log.extent(partition)
        for piece in records_between(log, partition, extent.first_offset, extent.next_offset):
            decoded = decode_batch((piece,), (USER,), settings.admission)
            yield decoded.events[USER].unique()
            yield [_id_of(record) for record, _ in decoded.rejected]


def _id_of(record: RawRecord) -> str | None:
    return None if record.is_corrupt or record.is_erased else _id_in(record.raw)


class _Named(msgspec.Struct):
    userId: str  # noqa: N815 - as events have it


def _id_in(raw: bytes) -> str | None:
    """Whose a record is that was not admitted, where it says so."""
    try:
        return msgspec.json.decode(raw, type=_Named).userId
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
