"""A backup of an installation while it runs: log and store as they were at one moment.

The store's moment comes first, the log's right after: what the log has beyond is counted when the
copy is used, as it would have been here. Everything is written into a folder `NAME.partial`, which
gets its name when it is whole and on the disk.
"""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import rtcdp
from rtcdp.access.audit import FILE_NAME as AUDIT_NAME
from rtcdp.access.key_file import FILE_NAME as KEYS_NAME
from rtcdp.clock import Clock
from rtcdp.definitions.products import PRODUCT_STREAM
from rtcdp.errors import RtcdpError, UsageError
from rtcdp.log.embedded import EmbeddedLogReader, copy_log
from rtcdp.log.embedded import file_of as log_file_of
from rtcdp.private_files import make_private_folder, open_private_file, sync_folder
from rtcdp.runtime.adapters import STORES
from rtcdp.runtime.backup.manifest import (
    BackedUpLog,
    BackedUpStore,
    BackedUpUser,
    Manifest,
    Told,
    file_of,
    write_manifest,
)
from rtcdp.runtime.parts import require_store, store_of
from rtcdp.runtime.processes.locks import Lock
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import FOLDER as RECEIPTS
from rtcdp.runtime.user_data.receipts import KEY_NAME, make_key
from rtcdp.runtime.user_data.requests import REQUESTS
from rtcdp.store import StoreCopy

LOG_FOLDER = "log"
PARTIAL = ".partial"
_LOCK_NAME = "backup.lock"
_ATTEMPTS = 5
_LOOK_S = 0.05


class BackupFailed(RtcdpError):
    """Log and store could not be had as they belong together."""


def back_up(
    settings: Settings, clock: Clock, folder: Path, told: Told = lambda *_: None
) -> Manifest:
    """Copy the installation into a new folder. `told` hears how many bytes are copied, of about how
    many.

    Raises `UsageError` when the folder is there, or the store is of a kind that can't be copied,
    `PartMissing` when there is no store or a program is missing, `BackupFailed`, and what log and
    store raise. A folder of that name is there only when the backup is whole.
    """
    if not STORES[settings.store_kind].is_copied:
        raise UsageError(
            f"a store of {settings.store_kind} can't be copied from here",
            "use the server's own programs (mongodump), with the processor stopped",
        )
    require_store(settings)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", "name a folder that isn't there")
    # So that receipts of later are known to be genuine where the backup is brought back.
    make_key(settings.data_dir)
    partial = folder.absolute().with_name(f"{folder.name}{PARTIAL}")
    with Lock(settings.data_dir / _LOCK_NAME, "a backup of this installation"):
        try:
            manifest = _written(settings, clock, partial, told)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync_folder(folder.absolute().parent)
    return manifest


def _written(settings: Settings, clock: Clock, partial: Path, told: Told) -> Manifest:
    for _ in range(_ATTEMPTS):
        # What is there is of somebody who was killed, or of the attempt before.
        shutil.rmtree(partial, ignore_errors=True)
        make_private_folder(partial)
        made_at = clock.now_ms()
        copied = _copied(settings, partial, told)
        if copied is not None:
            break
    else:
        raise BackupFailed(
            "users were erased, or old records deleted, each time it began",
            "try again in a while",
        )
    log = _log_in(settings, partial)
    _copy_files(settings, partial)
    paths = sorted(path for path in partial.rglob("*") if path.is_file())
    manifest = Manifest(
        version=rtcdp.__version__,
        made_at=made_at,
        data_dir=str(settings.data_dir.absolute()),
        log=log,
        store=BackedUpStore(
            settings.store_kind,
            copy_name(settings),
            copied.progress.epoch,
            dict(copied.progress.next_offsets),
        ),
        erased=tuple(BackedUpUser(**vars(user)) for user in copied.erased),
        files=tuple(file_of(partial, path) for path in paths),
    )
    write_manifest(partial, manifest)
    for place in {partial, *(path.parent for path in paths)}:
        sync_folder(place)
    return manifest


def copy_name(settings: Settings) -> str:
    """What the copy of a store of this kind is called."""
    name: str = STORES[settings.store_kind].opener("COPY_NAME")
    return name


def _copied(settings: Settings, partial: Path, told: Told) -> StoreCopy | None:
    """Copy log and store; None when they don't belong together, because somebody was erased between
    the two moments, or records were deleted that the store has not counted."""
    logs = {} if settings.log_path is None else _logs(settings.log_path, partial / LOG_FOLDER)
    store_file = partial / copy_name(settings)
    copy_store = STORES[settings.store_kind].opener("copy_store")
    watched = _Watched(told, _sizes(settings, logs), [store_file, *logs.values()])
    with ThreadPoolExecutor(1 + len(logs)) as pool:
        of_store: Future[StoreCopy] = pool.submit(copy_store, settings.store_url, store_file)
        watched.wait_for_begin({store_file: of_store})
        for target in logs.values():
            make_private_folder(target.parent)
        of_logs = {target: pool.submit(copy_log, source, target) for source, target in logs.items()}
        watched.wait_for_begin(of_logs)
        with store_of(settings, read_only=True) as store:
            erased = set(store.erased_users())
        watched.wait_for_end([of_store, *of_logs.values()])
        copied = of_store.result()
        for future in of_logs.values():
            future.result()
    log = _log_in(settings, partial)
    is_whole = all(
        log.first_offsets[partition] <= offset <= log.next_offsets[partition]
        for partition, offset in copied.progress.next_offsets.items()
        if log.is_copied
    )
    return copied if is_whole and erased == set(copied.erased) else None


class _Watched:
    """Files that are written by others, and who is told how much of them there is."""

    def __init__(self, told: Told, total: int, files: Sequence[Path]) -> None:
        self._told, self._total, self._files = told, total, files

    def wait_for_begin(self, futures: Mapping[Path, "Future[Any]"]) -> None:
        """Until each has bytes, or its writer has ended."""
        while not all(future.done() or _size(path) for path, future in futures.items()):
            self._look(futures.values())

    def wait_for_end(self, futures: Collection["Future[Any]"]) -> None:
        """Until all writers have ended."""
        while not all(future.done() for future in futures):
            self._look(futures)

    def _look(self, futures: Collection["Future[Any]"]) -> None:
        wait((future for future in futures if not future.done()), timeout=_LOOK_S)
        self._told(min(self._total, sum(map(_size, self._files))), self._total)


def _logs(directory: Path, target: Path) -> dict[Path, Path]:
    """The log's folders, and the files that their copies go to: that of events, and that of product
    updates, where there is one."""
    logs = {directory: log_file_of(target)}
    if log_file_of(directory / PRODUCT_STREAM).exists():
        logs[directory / PRODUCT_STREAM] = log_file_of(target / PRODUCT_STREAM)
    return logs


def _log_in(settings: Settings, partial: Path) -> BackedUpLog:
    if settings.log_path is None:
        return BackedUpLog(settings.log_kind, is_copied=False)
    log = EmbeddedLogReader(partial / LOG_FOLDER)
    try:
        extents = {partition: log.extent(partition) for partition in log.partitions()}
        return BackedUpLog(
            settings.log_kind,
            is_copied=True,
            log_id=log.log_id(),
            first_offsets={p: extent.first_offset for p, extent in extents.items()},
            next_offsets={p: extent.next_offset for p, extent in extents.items()},
        )
    finally:
        log.close()


def _copy_files(settings: Settings, partial: Path) -> None:
    """Who may come in, who did what, erasures that are asked for, and the receipts of those that
    are done with the key that signs them."""
    data = settings.data_dir
    # Before the receipts: what ends meanwhile has one.
    copy_requests(data, partial)
    receipts = sorted((data / RECEIPTS).glob("*.json"))
    sources = [data / KEYS_NAME, data / AUDIT_NAME, data / RECEIPTS / KEY_NAME, *receipts]
    for source in sources:
        if source.is_file():
            copy_file(source, partial / source.relative_to(data))


def copy_requests(data_dir: Path, target_dir: Path) -> None:
    """Copy the erasures that somebody asked for from one data folder to another, which may hold
    older states of the same ones. They may be ended meanwhile."""
    folder = data_dir / RECEIPTS / REQUESTS
    states = set(folder.glob("[0-9]*.json"))
    waiting = sorted(folder.glob("[0-9]*.user"))
    # How far one is comes second: if it says that it is done, it is not done again.
    for source in [*waiting, *sorted(states | {path.with_suffix(".json") for path in waiting})]:
        with suppress(FileNotFoundError):
            content = source.read_bytes()
            # Whoever ends one overwrites it before it is deleted.
            if content.strip(b"\0"):
                _write(target_dir / source.relative_to(data_dir), BytesIO(content))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, durably, for its owner's eyes only."""
    with source.open("rb") as content:
        _write(target, content)


def _write(target: Path, content: IO[bytes]) -> None:
    make_private_folder(target.parent)
    with os.fdopen(open_private_file(target), "wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())


def _sizes(settings: Settings, logs: dict[Path, Path]) -> int:
    paths = [log_file_of(directory) for directory in logs]
    paths += [] if settings.store_path is None else [settings.store_path]
    return sum(map(_size, paths))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
