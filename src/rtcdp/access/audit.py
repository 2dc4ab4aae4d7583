"""The audit log: who did what with keys, with the page's door, and with what only administrators
may do. An entry is one line of JSON, and holds no secret: keys are named by their ids."""

import errno
import os
from pathlib import Path

import msgspec

from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.ip_addresses import shortened
from rtcdp.private_files import FILE_MODE, make_private_folder

FILE_NAME = "audit.jsonl"
_TEXT_MAX = 300


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at_ms` is UTC ms, `who` a key (`key 1f2e3d4c`), a token's subject, or `command line`;
    `action` what they did, `what` to what; `address` is where they asked from, without its last
    part unless it was to be kept whole."""

    at_ms: int
    who: str
    action: str
    what: str = ""
    address: str = ""


class AuditLog:
    """Appends entries to a file that is its owner's alone. Several processes may."""

    def __init__(self, data_dir: Path, clock: Clock, *, whole_addresses: bool = False) -> None:
        self._path = data_dir / FILE_NAME
        self._clock = clock
        self._whole_addresses = whole_addresses

    def note(self, who: str, action: str, what: str = "", address: str = "") -> None:
        """Write one entry; it is on disk when this returns. Raises `UsageError` when it can't be
        written: what can't be noted isn't done."""
        address = address if self._whole_addresses else shortened(address)
        entry = AuditEntry(
            self._clock.now_ms(),
            *(text[:_TEXT_MAX] for text in (who, action, what, address)),
        )
        line = msgspec.json.encode(entry) + b"\n"
        try:
            make_private_folder(self._path.parent)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, FILE_MODE)
            try:
                # In one piece: others may write as well.
                if os.write(descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UsageError(
                f"{self._path} can't be written: {error.strerror}",
                "make room on its disk: what can't be noted there is not done",
            ) from error
