"""An installation is brought back from a backup: checked, put together inside of its folder, and
put in its place when it is whole, without whoever was erased since the backup was made."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec

from rtcdp.admission.erased import ErasedUser
from rtcdp.clock import Clock
from rtcdp.engines.resume import check_continuation
from rtcdp.errors import UsageError
from rtcdp.log.embedded import bring_back_log
from rtcdp.log.embedded import file_of as log_file_of
from rtcdp.private_files import make_private_folder, open_private_file, sync_folder
from rtcdp.runtime.adapters import STORES
from rtcdp.runtime.backup.backing_up import (
    LOG_FOLDER,
    PARTIAL,
    copy_file,
    copy_name,
    copy_requests,
)
from rtcdp.runtime.backup.erasing_again import (
    erase_again,
    not_yet_erased,
    own_receipts_in,
    receipts_in,
)
from rtcdp.runtime.backup.manifest import (
    BackedUpUser,
    Manifest,
    Told,
    check_files,
    read_manifest,
)
from rtcdp.runtime.parts import log_reader, store_of
from rtcdp.runtime.processes.leases import end_lease
from rtcdp.runtime.processes.locks import running_lock
from rtcdp.runtime.settings import Settings, without_password
from rtcdp.runtime.user_data.receipts import FOLDER as RECEIPTS
from rtcdp.runtime.user_data.receipts import KEY_NAME, Receipt

STAGE = "restore.partial"
_NO_DATA = {STAGE, "up.lock"}
_WHOLE = "whole.json"


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
    these files and folders, by those in the backup and by those where the installation lay, are
    erased again.

    Raises `UsageError` when the place is not empty or of another kind than the backup,
    `BackupDamaged` before anything is written, `AlreadyRunning`, and what log and store raise. What
    was interrupted leaves the folder `STAGE`, and may be begun again; but a process that is killed
    leaves a store on a server, which has to be taken away before.
    """
    manifest = read_manifest(backup)
    _check_kinds(settings, manifest)
    if _whole_in(settings, manifest) is None:
        _check_empty(settings)
        check_files(backup, manifest, told)
    with running_lock(settings):
        whole = _whole_in(settings, manifest)
        if whole is None:
            _check_empty(settings)
            whole = _put_together(settings, clock, backup, manifest, receipts)
        else:
            _check_nobody_since(settings, whole, _Erased(backup, manifest, receipts))
        _put_in_place(settings, settings.data_dir / STAGE)
    return Restored(manifest, len(whole.erased), whole.receipts, whole.has_origin)


class _Whole(msgspec.Struct, frozen=True):
    """What the stage holds when all that is left to do is to put it in its place: of the backup
    with this checksum, for a log and a store in these places."""

    checksum: str
    log: str
    store: str
    erased: tuple[BackedUpUser, ...]
    receipts: tuple[Receipt, ...]
    has_origin: bool


def _whole_in(settings: Settings, manifest: Manifest) -> _Whole | None:
    """What an earlier call has put together of this backup, and maybe begun to put in its place.
    Raises `UsageError` when that was meant for another place."""
    try:
        text = (settings.data_dir / STAGE / _WHOLE).read_bytes()
        whole = msgspec.json.decode(text, type=_Whole)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    if whole.checksum != manifest.checksum:
        return None
    if (whole.log, whole.store) != _places(settings):
        raise UsageError(
            f"this backup was being put in place at {whole.log} and {whole.store}",
            "name the same --log and --store, or take away what is there, with the folder"
            f" {settings.data_dir / STAGE}",
        )
    return whole


@dataclass(frozen=True)
class _Erased:
    """Who was erased since a backup was made, as far as anybody knows here: by the receipts that
    are given, those in the backup, and those where the installation lay."""

    backup: Path
    manifest: Manifest
    given: Sequence[Path]

    @cached_property
    def origin(self) -> Path | None:
        """The data folder of the installation; None where it is not there any more."""
        origin = Path(self.manifest.data_dir)
        is_there = _is_same_installation(origin / RECEIPTS, self.backup / RECEIPTS)
        return origin if is_there else None

    @cached_property
    def receipts(self) -> dict[Path, Receipt]:
        """Raises `UsageError` for one of those that are given which is none, or not genuine."""
        own = [self.backup, *([] if self.origin is None else [self.origin])]
        return receipts_in(self.given, self.backup) | own_receipts_in(
            [each / RECEIPTS for each in own], self.backup
        )

    @cached_property
    def users(self) -> list[ErasedUser]:
        return not_yet_erased(self.receipts.values(), self.manifest.erased_users)


def _check_nobody_since(settings: Settings, whole: _Whole, erased: _Erased) -> None:
    """Raises `UsageError` when somebody was erased since all was put together."""
    known = {ErasedUser(each.digest, each.salt, each.erased_at) for each in whole.erased}
    if since := set(erased.users) - known:
        raise UsageError(
            f"{len(since):,} users were erased since this backup was begun to be put in place",
            f"take away what is in {settings.data_dir}, {whole.log} and {whole.store}, and begin"
            " again",
        )


def _places(settings: Settings) -> tuple[str, str]:
    log, store = settings.log_path, settings.store_path
    return (
        without_password(settings.log_url) if log is None else str(log.absolute()),
        without_password(settings.store_url) if store is None else str(store.absolute()),
    )


def _put_together(
    settings: Settings,
    clock: Clock,
    backup: Path,
    manifest: Manifest,
    receipts: Sequence[Path],
) -> _Whole:
    stage = settings.data_dir / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    _copy(backup, stage, manifest)
    staged = _staged(settings, stage)
    erased = _Erased(backup, manifest, receipts)
    missing = erased.users
    if erased.origin is not None:
        copy_requests(erased.origin, stage)
    STORES[staged.store_kind].opener("bring_back_store")(
        staged.store_url, stage / copy_name(staged)
    )
    with _taken_away_again(staged):
        _bring_back(staged, clock, manifest)
        again = erase_again(staged, clock, missing)
        _keep(stage, erased.receipts)
        with log_reader(staged) as log, store_of(staged, read_only=True) as store:
            check_continuation(log, store.progress())
        whole = _Whole(
            manifest.checksum,
            *_places(settings),
            tuple(BackedUpUser(**vars(user)) for user in missing),
            tuple(again),
            erased.origin is not None,
        )
        _tell_whole(stage, whole)
    return whole


@contextmanager
def _taken_away_again(staged: Settings) -> Iterator[None]:
    """A store on a server is in its place from the beginning, with whoever is yet to be erased: if
    anything fails, it goes again."""
    try:
        yield
    except BaseException:
        if staged.store_path is None:
            STORES[staged.store_kind].opener("take_away_store")(staged.store_url)
        raise


def _tell_whole(stage: Path, whole: _Whole) -> None:
    """Durably, as all that it speaks of."""
    for folder in [each for each in stage.rglob("*") if each.is_dir()]:
        sync_folder(folder)
    partial = stage / f"{_WHOLE}{PARTIAL}"
    with os.fdopen(open_private_file(partial), "wb") as file:
        file.write(msgspec.json.encode(whole))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(stage / _WHOLE)
    sync_folder(stage)
    sync_folder(stage.parent)


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
        was_killed = (settings.data_dir / STAGE).exists()
        raise UsageError(
            f"there is something in {without_password(settings.store_url)} already",
            "name an empty place with --store, or take away what is there"
            + ", which may be of the restore that was killed" * was_killed,
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
        copy_file(backup / file.path, stage / file.path)


def _bring_back(staged: Settings, clock: Clock, manifest: Manifest) -> None:
    if staged.store_path is None:
        (staged.data_dir / copy_name(staged)).unlink()
        # Whoever had it when the backup was made has it there, and not here.
        with store_of(staged) as store:
            end_lease(store, clock)
    if manifest.log.is_copied:
        directory = staged.data_dir / LOG_FOLDER
        for file in sorted(directory.rglob(log_file_of(directory).name)):
            bring_back_log(file.parent, clock)


def _keep(stage: Path, receipts: Iterable[Path]) -> None:
    """Receipts of erasures since are this installation's as well."""
    for path in receipts:
        target = stage / RECEIPTS / path.name
        if not target.exists():
            copy_file(path, target)


def _put_in_place(settings: Settings, stage: Path) -> None:
    """The log comes last: a store whose log is not there is refused, and nothing is counted anew
    into half an installation. What was interrupted goes on."""
    places = {each: settings.data_dir / each.name for each in sorted(stage.iterdir())}
    places.pop(stage / _WHOLE)
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
    if settings.log_path is not None and places.pop(stage / LOG_FOLDER, None) is not None:
        last[stage / LOG_FOLDER] = settings.log_path
    for source, target in (places | last).items():
        _move(source, target)
    for folder in {settings.data_dir, *(target.parent for target in last.values())}:
        sync_folder(folder)
    (stage / _WHOLE).unlink()
    stage.rmdir()
    sync_folder(settings.data_dir)


def _move(source: Path, target: Path) -> None:
    make_private_folder(target.parent)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_to_other_disk(source, target)


def _move_to_other_disk(source: Path, target: Path) -> None:
    """File by file, each of which is at its place as a whole before it goes from where it was."""
    if source.is_dir():
        make_private_folder(target)
        for each in sorted(source.iterdir()):
            _move_to_other_disk(each, target / each.name)
        sync_folder(target.parent)
        source.rmdir()
        return
    partial = target.with_name(f"{target.name}{PARTIAL}")
    copy_file(source, partial)
    partial.rename(target)
    sync_folder(target.parent)
    source.unlink()
