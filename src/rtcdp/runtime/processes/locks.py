"""Who may run what: locks on files, which the system drops when their holder dies."""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from rtcdp.errors import RtcdpError, UsageError
from rtcdp.private_files import make_private_folder
from rtcdp.runtime.settings import Settings

_POLL_S = 0.05
_LOOKING_S = 0.1
"""Who only looks whether there is a holder has the lock for an instant himself."""


class AlreadyRunning(RtcdpError):
    """Another process holds the lock; `holder` is what it says of itself."""

    def __init__(self, message: str, hint: str, holder: "Holder") -> None:
        super().__init__(message, hint)
        self.holder = holder


class Holder(msgspec.Struct, frozen=True):
    """What a lock's holder says of itself: its process id, and where it can be reached if at
    all."""

    pid: int = 0
    url: str = ""


class Lock:
    """An exclusive lock on `path`, held until `close` or the end of the process.

    `role` names what runs under it. Waits up to `patience_s` for another holder to go, then raises
    `AlreadyRunning`. Raises `UsageError` when the file can't be made. Not inherited by children.
    """

    def __init__(self, path: Path, role: str, patience_s: float = 0.0) -> None:
        self._path = path
        self._descriptor = _opened(path)
        deadline = time.monotonic() + max(patience_s, _LOOKING_S)
        while not _try_lock(self._descriptor):
            if time.monotonic() >= deadline:
                holder = _read(self._descriptor)
                os.close(self._descriptor)
                raise AlreadyRunning(
                    f"{role} runs already (process {holder.pid}); {path} is its lock",
                    f"stop process {holder.pid} first, or use another --data-dir",
                    holder,
                )
            time.sleep(_POLL_S)
        self.announce("")

    def announce(self, url: str) -> None:
        """Let others know who holds the lock, and where it can be reached."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(Holder(os.getpid(), url)), 0)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the lock go. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock on `path`; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if _try_lock(descriptor) else _read(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        make_private_folder(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(
            f"{path} can't be made: {error.strerror}",
            "name a folder with --data-dir that you may write to",
        ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return Holder()


def running_lock(settings: Settings) -> Lock:
    """Mark the installation in `settings.data_dir` as running; `announce` its address then.

    Raises `AlreadyRunning` when it is, and `UsageError` when the folder can't be written to.
    """
    return Lock(_running_lock_path(settings), f"rtcdp on {settings.data_dir}")


def running_url(settings: Settings) -> str | None:
    """Where the installation in `settings.data_dir` takes events; None when it isn't running."""
    holder = holder_of(_running_lock_path(settings))
    return holder.url or None if holder is not None else None


def running_holder(settings: Settings) -> Holder | None:
    """Who runs the installation in `settings.data_dir`; None when nobody does."""
    return holder_of(_running_lock_path(settings))


def processor_holder(settings: Settings) -> Holder | None:
    """Who processes into the installation's store, if that is a file; None when nobody does, and
    for stores on servers, which keep leases instead."""
    path = processor_lock_path(settings)
    return None if path is None else holder_of(path)


def processor_lock(settings: Settings, patience_s: float = 0.0) -> Lock | None:
    """The right to write into the installation's store, if that is a file.

    Raises `AlreadyRunning` when another process still has it after `patience_s`.
    """
    path = processor_lock_path(settings)
    return None if path is None else Lock(path, "a processor", patience_s=patience_s)


def processor_lock_path(settings: Settings) -> Path | None:
    """Beside the store's file, so that two processors of one store find each other; None for a
    store on a server."""
    path = settings.store_path
    return None if path is None else path.with_name(f"{path.name}.processor.lock")


def _running_lock_path(settings: Settings) -> Path:
    return settings.data_dir / "up.lock"
