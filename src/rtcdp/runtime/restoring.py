"""An installation is brought back from a backup: checked, put together inside of its folder, and
put in its place when it is whole, without whoever was erased since the backup was made."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rtcdp.clock import Clock
from rtcdp.engines.resume import check_continuation
from rtcdp.errors import UsageError
from rtcdp.log.embedded import bring_back_log
from rtcdp.log.embedded import file_of as log_file_of
from rtcdp.private_files import make_private_folder, open_private_file
from rtcdp.runtime.adapters import STORES
from rtcdp.runtime.backing_up import LOG_FOLDER, copy_name, sync_folder
from rtcdp.runtime.backup_manifest import Manifest, Told, check_files, read_manifest
from rtcdp.runtime.erasing_again import erase_again, not_yet_erased, receipts_in
from rtcdp.runtime.leases import end_lease
from rtcdp.runtime.locks import running_lock
from rtcdp.runtime.parts import log_reader, store_of
from rtcdp.runtime.receipts import FOLDER as RECEIPTS
from rtcdp.runtime.receipts import KEY_NAME, Receipt
from rtcdp.runtime.settings import Settings, without_password

STAGE = "restore.partial"
_NO_DATA = {STAGE, "up.lock"}


@dataclass(frozen=True)
class Restored:
    """What was brought back: from which backup, how many users were erased since, and the receipts
    of those of whom the copy still held something. `has_origin` tells whether the receipts of the
    installation itself were there to be looked at."""

    manifest: Manifest
    erased_since: int
    receipts: tuple[Receipt, ...]
    has_origin: bool


def restore(
    settings: Settings,
    clock: Clock,
    backup: Path,
    receipts: Sequence[Path] = (),
    told: Told = lambda *_: None,
) -> Restored:
    """Bring an installation back from a backup. Users that were erased since, by the `receipts` in
    these files and folders and by those where the installation lay, are erased again.

    Raises `UsageError` when the place is not empty or of another kind than the backup,
    `BackupDamaged` before anything is written, `AlreadyRunning`, and what log and store raise. What
    was interrupted leaves the folder `STAGE`, and may be begun again.
    """
    manifest = read_manifest(backup)
    _check_kinds(settings, manifest)
    _check_empty(settings)
    check_files(backup, manifest, told)
    origin = Path(manifest.data_dir) / RECEIPTS
    has_origin = _is_same_installation(origin, backup / RECEIPTS)
    with running_lock(settings):
        _check_empty(settings)
        stage = settings.data_dir / STAGE
        shutil.rmtree(stage, ignore_errors=True)
        _copy(backup, stage, manifest)
        staged = _staged(settings, stage)
        given = receipts_in([*receipts, *([origin] if has_origin else [])], stage)
        _bring_back(staged, clock, manifest)
        missing = not_yet_erased(given.values(), manifest.erased_users)
        again = erase_again(staged, clock, missing)
        _keep(stage, given)
        with log_reader(staged) as log, store_of(staged, read_only=True) as store:
            check_continuation(log, store.progress())
        _put_in_place(settings, stage)
    return Restored(manifest, len(missing), tuple(again), has_origin)


def _is_same_installation(receipts: Path, others: Path) -> bool:
    """Whether the receipts in these folders are signed with the same key: another installation may
    have taken the place of one that is gone."""
    try:
        return (receipts / KEY_NAME).read_bytes() == (others / KEY_NAME).read_bytes()
    except OSError:
        return False


def _check_kinds(settings: Settings, manifest: Manifest) -> None:
    kind = manifest.store.kind
    if kind != settings.store_kind:
        url = STORES[kind].url if kind in STORES else kind
        raise UsageError(
            f"the backup's store is of {kind}, and {without_password(settings.store_url)} is not",
            f"give the place of the new one: --store {url}",
        )
    if manifest.log.kind != settings.log_kind:
        raise UsageError(
            f"the backup's log is of {manifest.log.kind}, and"
            f" {without_password(settings.log_url)} is not",
            "name the log with --log: one on servers is in no backup, and has to be there"
            if not manifest.log.is_copied
            else "leave --log out, or give embedded:DIR",
        )


def _check_empty(settings: Settings) -> None:
    """Raises `UsageError` when there is anything at the place of the installation."""
    folders = [settings.data_dir, *([] if settings.log_path is None else [settings.log_path])]
    for folder in folders:
        if folder.exists() and any(each.name not in _NO_DATA for each in folder.iterdir()):
            raise UsageError(
                f"{folder} is not empty", "name a new folder with --data-dir, or move that one away"
            )
    if STORES[settings.store_kind].opener("holds_a_store")(settings.store_url):
        raise UsageError(
            f"there is something in {without_password(settings.store_url)} already",
            "name an empty place with --store, or take away what is there",
        )


def _staged(settings: Settings, stage: Path) -> Settings:
    """The settings of the installation while it is put together."""
    return replace(
        settings,
        data_dir=stage,
        log=settings.log if settings.log_path is None else "",
        store=settings.store if settings.store_path is None else "",
    )


def _copy(backup: Path, stage: Path, manifest: Manifest) -> None:
    make_private_folder(stage)
    for file in manifest.files:
        target = stage / file.path
        make_private_folder(target.parent)
        with (
            (backup / file.path).open("rb") as read,
            os.fdopen(open_private_file(target), "wb") as written,
        ):
            shutil.copyfileobj(read, written)
            written.flush()
            os.fsync(written.fileno())


def _bring_back(staged: Settings, clock: Clock, manifest: Manifest) -> None:
    copy = staged.data_dir / copy_name(staged)
    STORES[staged.store_kind].opener("bring_back_store")(staged.store_url, copy)
    if staged.store_path is None:
        copy.unlink()
        # Whoever had it when the backup was made has it there, and not here.
        with store_of(staged) as store:
            end_lease(store, clock)
    if manifest.log.is_copied:
        directory = staged.data_dir / LOG_FOLDER
        for file in sorted(directory.rglob(log_file_of(directory).name)):
            bring_back_log(file.parent, clock)


def _keep(stage: Path, receipts: Mapping[Path, Receipt]) -> None:
    """Receipts of erasures since are this installation's as well."""
    for path in receipts:
        target = stage / RECEIPTS / path.name
        if not target.exists():
            with os.fdopen(open_private_file(target), "wb") as file:
                file.write(path.read_bytes())


def _put_in_place(settings: Settings, stage: Path) -> None:
    """The log comes last: a store whose log is not there is refused, and nothing is counted anew
    into half an installation."""
    places = {each: settings.data_dir / each.name for each in sorted(stage.iterdir())}
    last: dict[Path, Path] = {}
    if settings.store_path is not None:
        store = stage / "store.db"
        for path in [each for each in places if each.name.startswith(store.name)]:
            ending = path.name.removeprefix(store.name)
            places.pop(path)
            if ending in ("", "-wal"):
                last[path] = settings.store_path.with_name(settings.store_path.name + ending)
            else:
                path.unlink()
    if settings.log_path is not None:
        places.pop(stage / LOG_FOLDER)
        last[stage / LOG_FOLDER] = settings.log_path
    for source, target in (places | last).items():
        if target.is_dir():
            target.rmdir()
        make_private_folder(target.parent)
        shutil.move(source, target)
    stage.rmdir()
    for folder in {settings.data_dir, *(target.parent for target in last.values())}:
        sync_folder(folder)
