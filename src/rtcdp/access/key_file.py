"""The file that keys are kept in: its owner's alone, replaced as a whole, and followed."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import Randomness
from rtcdp.clock import Clock
from rtcdp.errors import RtcdpError, UsageError
from rtcdp.private_files import FILE_MODE, make_private_folder, open_private_file, sync_folder

T = TypeVar("T")

FILE_NAME = "keys.json"
LOOK_EVERY_S = 0.2
"""How old what a server knows of the file may be."""

_Mark = tuple[int, int, int]


class KeysDamaged(RtcdpError):
    """The file of keys can't be read. Nobody is let in without a key because of that."""


def keys_path(data_dir: Path) -> Path:
    """Where the keys of the installation in `data_dir` are kept."""
    return data_dir / FILE_NAME


def read_keys(path: Path) -> Keyring:
    """The keys in a file; none where there is no file. Raises `KeysDamaged`, also for a file of
    nothing, which nothing here writes."""
    try:
        ring = msgspec.json.decode(path.read_bytes(), type=Keyring)
        if ring == Keyring():
            raise msgspec.DecodeError("it holds no keys")
        return ring
    except FileNotFoundError:
        return Keyring()
    except (OSError, msgspec.DecodeError) as error:
        raise KeysDamaged(
            f"the keys in {path} can't be read: {error}", "bring the file back from a copy"
        ) from error


def change_keys(path: Path, change: Callable[[Keyring], tuple[Keyring, T]]) -> T:
    """Replace what the file holds by what `change` makes of it, and return what it tells besides.

    Others wait meanwhile. The file is there as a whole or not at all, whatever happens. Raises
    `KeysDamaged`, `UsageError` where it can't be written, and what `change` raises.
    """
    with _alone(path):
        ring, told = change(read_keys(path))
        try:
            _replace(path, msgspec.json.format(msgspec.json.encode(ring), indent=1) + b"\n")
        except OSError as error:
            raise UsageError(
                f"{path} can't be written: {error.strerror}", "make room, or name another folder"
            ) from error
        return told


def make_secret(path: Path, randomness: Randomness) -> None:
    """See to it that the file holds a secret, also before there are keys: by it the parts of an
    installation know each other. Raises what `change_keys` raises."""
    if not read_keys(path).secret:
        change_keys(path, lambda ring: (ring.with_secret(randomness), None))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        make_private_folder(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(path.with_suffix(".lock"), flags, FILE_MODE)
    except OSError as error:
        raise UsageError(
            f"{path.parent} can't be written to: {error.strerror}",
            "name a folder with --data-dir that you may write to",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    descriptor = open_private_file(beside)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(beside, path)
    sync_folder(path.parent)


class FollowedKeys:
    """The keys in a file, as they are now, for one thread after another.

    Where the file is damaged or gone, those that were there last go on to hold: what was locked
    never opens by itself. `say` takes a sentence when that happens.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        say: Callable[[str], None],
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Raises `KeysDamaged`."""
        self._path = path
        self._clock = clock
        self._say = say
        self._look_every_s = look_every_s
        self._mark = _mark_of(path)
        self._ring = read_keys(path)
        self._looked_s = clock.monotonic()
        self._told = ""

    @property
    def now(self) -> Keyring:
        """The keys, not older than `look_every_s`."""
        now_s = self._clock.monotonic()
        if now_s - self._looked_s >= self._look_every_s:
            self._looked_s = now_s
            self._look()
        return self._ring

    def _look(self) -> None:
        mark = _mark_of(self._path)
        if mark == self._mark:
            return
        if mark is None:
            self._mark = mark
            if self._ring.keys:
                self._say(f"{self._path} is gone: the keys that it held go on to hold")
            return
        try:
            ring = read_keys(self._path)
            self._mark = mark
            if self._ring.keys and not ring.keys:
                # Keys that were taken back stay in the file.
                self._say(f"{self._path} has lost its keys: those that it held go on to hold")
                return
            self._ring = ring
        except KeysDamaged as error:
            # It is tried again at each look, and told once.
            if str(error) != self._told:
                self._say(f"{error}; those that were there before go on to hold")
            self._told = str(error)


def _mark_of(path: Path) -> _Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
