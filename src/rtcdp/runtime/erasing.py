"""The erasure of a user from an installation: done, looked for, and signed for."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.engines.native.erasing import Erased
from rtcdp.engines.native.processor import Processor
from rtcdp.errors import UsageError
from rtcdp.log.named import pattern_of
from rtcdp.runtime.parts import folds_of, metrics_left_out, store_of, stored_metrics_of
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
    with store_of(settings, read_only=True) as store:
        catalog: list[Metric | Fold] = [*stored_metrics_of(settings), *folds_of(settings)]
        left_out = metrics_left_out(store, catalog)
    found = tuple(find(places_of(settings), user_id))
    return keep_receipt(settings.data_dir, _receipt(erased, by, user_id, found, left_out))


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
        while block := file.read(_BLOCK_BYTES):
            text = kept + block
            is_last = len(block) < _BLOCK_BYTES
            end = len(text) if is_last else len(text) - overlap
            begins = 1 if kept else 0
            count += sum(begins <= each.start() < end for each in pattern.finditer(text))
            kept = text[max(0, end - 1) :]
    return count


def _salt_of(settings: Settings) -> str:
    with store_of(settings, read_only=True) as store:
        known = store.erased_users()
    return known[0].salt if known else token_hex(_SALT_BYTES)


def _receipt(
    erased: Erased, by: str, user_id: str, found: Sequence[Traced], left_out: Sequence[str]
) -> Receipt:
    notes = []
    if not erased.log_is_erasable:
        notes.append(
            "the log can't erase: its records go with the topic's retention, and never count again"
        )
    if left_out:
        notes.append(f"not looked at, because they stand still: {', '.join(left_out)}")
    if len(user_id.encode()) < SHORT_ID:
        notes.append("the id is short: what was found of it may be chance")
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
