"""Who imports a text now: a lock on a file of its own in the log's folder, among all processes.

The system drops the lock when its holder dies; the file that stays then is used again.
"""

import fcntl
import os
from pathlib import Path

from rtcdp.log.embedded.file import identity


class Claim:
    """The right to import what a key names, until `close`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def close(self) -> None:
        """Let it go. May be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # As long as the lock is held: nobody else has this file then.
            self._path.unlink(missing_ok=True)
            os.close(descriptor)


def try_claim(directory: Path, key: str) -> Claim | None:
    """Claim what `key` (hex digits) names; None while somebody else has it. Raises `OSError` when
    the file can't be made."""
    path = directory / f"importing-{key}.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        # Its holder may have let it go, and deleted it, between the two.
        if identity(path) == (status.st_dev, status.st_ino):
            return Claim(path, descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
