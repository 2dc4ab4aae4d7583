"""What a backup says of itself: its files with their sizes and hashes, up to where it goes, and who
was erased before it was made.

The manifest is written last, and the folder gets its name when it is whole. It has a checksum of
its own, so that no byte of a backup can change unseen.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from rtcdp.admission.erased import ErasedUser
from rtcdp.errors import RtcdpError, UsageError
from rtcdp.private_files import open_private_file

NAME = "manifest.json"
FORMAT = 1
_BLOCK_BYTES = 2**20

Told = Callable[[int, int], None]
"""How far something is: bytes that are done, and all of them."""


class BackupDamaged(RtcdpError):
    """A backup is not what it was when it was made."""


class BackedUpFile(msgspec.Struct, frozen=True):
    """A file by its path inside the backup, with its size in bytes and its SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


class BackedUpUser(msgspec.Struct, frozen=True):
    """Somebody who was erased before: see `rtcdp.admission.erased.ErasedUser`."""

    digest: str
    salt: str
    erased_at: int


class BackedUpLog(msgspec.Struct, frozen=True):
    """The log's kind; its name, and the offsets of each partition that it holds and goes up to. Of
    a log that `is_copied` not, nothing else is known."""

    kind: str
    is_copied: bool
    log_id: str = ""
    first_offsets: dict[int, int] = {}
    next_offsets: dict[int, int] = {}


class BackedUpStore(msgspec.Struct, frozen=True):
    """The store's kind and file, the number of its last epoch, and where each partition goes on."""

    kind: str
    file: str
    epoch: int
    next_offsets: dict[int, int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`made_at` is UTC ms; `version` is that of rtcdp; `data_dir` is where the installation lay.
    `checksum` is the SHA-256 of all the rest (hex)."""

    format: int = FORMAT
    version: str
    made_at: int
    data_dir: str
    log: BackedUpLog
    store: BackedUpStore
    erased: tuple[BackedUpUser, ...]
    files: tuple[BackedUpFile, ...]
    checksum: str = ""

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def erased_users(self) -> tuple[ErasedUser, ...]:
        """Who was erased before the backup was made."""
        return tuple(ErasedUser(user.digest, user.salt, user.erased_at) for user in self.erased)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it into the folder, durably."""
    whole = msgspec.structs.replace(manifest, checksum=_checksum(manifest))
    with os.fdopen(open_private_file(folder / NAME), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup. Raises `UsageError` where there is none or one of a newer version,
    and `BackupDamaged` when it is not as it was written."""
    path = folder / NAME
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{folder} is no backup: {NAME} can't be read: {error.strerror}",
            "name the folder that rtcdp backup has made; one that ends in .partial is not whole",
        ) from error
    with suppress(msgspec.DecodeError):
        found = msgspec.json.decode(text, type=_Format)
        if found.format > FORMAT:
            raise UsageError(
                f"{folder} has format {found.format}, and this program knows up to {FORMAT}",
                "use the version that made it, or a newer one",
            )
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise _damaged(folder, f"{NAME} can't be read: {error}") from error
    if manifest.checksum != _checksum(manifest):
        raise _damaged(folder, f"{NAME} is not as it was written")
    return manifest


def file_of(folder: Path, path: Path) -> BackedUpFile:
    """What the manifest says of a file, which is read for it and made durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    digest = sha256()
    size = 0
    for block in _blocks(path):
        digest.update(block)
        size += len(block)
    return BackedUpFile(path.relative_to(folder).as_posix(), size, digest.hexdigest())


def check_files(folder: Path, manifest: Manifest, told: Told = lambda *_: None) -> None:
    """Read every file of a backup. Raises `BackupDamaged`, naming the first one that is missing,
    has another size or another hash, or that nobody knows of."""
    known = {file.path for file in manifest.files} | {NAME}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(there - known):
        raise _damaged(folder, f"{name} is there, and the manifest doesn't know it")
    done = 0
    for file in manifest.files:
        path = folder / file.path
        if file.path not in there:
            raise _damaged(folder, f"{file.path} is missing")
        if path.stat().st_size != file.size:
            raise _damaged(folder, f"{file.path} has {path.stat().st_size:,} bytes")
        digest = sha256()
        for block in _blocks(path):
            digest.update(block)
            done += len(block)
            told(done, manifest.size)
        if digest.hexdigest() != file.sha256:
            raise _damaged(folder, f"{file.path} has changed")


class _Format(msgspec.Struct):
    format: int


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _checksum(manifest: Manifest) -> str:
    unsigned = msgspec.structs.replace(manifest, checksum="")
    plain = msgspec.to_builtins(unsigned, str_keys=True)
    return sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


def _damaged(folder: Path, what: str) -> BackupDamaged:
    return BackupDamaged(
        f"the backup {folder} is damaged: {what}", "use another backup; this one can't be trusted"
    )
