"""Erasures that somebody asked for, each a file in the data folder until it is done; whoever
processes takes them in turn.

A request is on the disk before it is answered, and its file goes when the user's receipt is there,
so that whatever is killed in between is begun again by the next processor. Until then it holds the
user's id, and is overwritten before it is deleted. Beside it lies how far it is, without the id.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.user_data import ErasureState, TooManyErasures
from rtcdp.clock import Clock
from rtcdp.errors import NotThere, UsageError
from rtcdp.private_files import FILE_MODE, make_private_folder, sync_folder
from rtcdp.runtime.user_data.receipts import FOLDER

REQUESTS = "requests"
WAITING_MAX = 1_000
STATES_KEPT = 200
_USER, _STATE, _NEW = ".user", ".json", ".new"
_TAKER = ".processor"
_TAKER_S = 60
"""Whoever takes requests shows up more often."""

_LEFT_AFTER_S = 60
"""A request that is being written takes no longer: older ones were left by a kill."""

_ID = re.compile(r"\d{1,16}-[0-9a-f]{16}")


class ErasureRequests:
    """The requests of one installation. Several processes may ask; one processor takes."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._folder = data_dir / FOLDER / REQUESTS
        self._clock = clock

    def ask(self, user_id: str, by: str) -> tuple[ErasureState, bool]:
        """Ask for a user to be erased; durable when it returns. The same request where one waits
        that nobody has begun; else a new one, and True.

        Raises `UsageError` for an empty id, and `TooManyErasures`.
        """
        if not user_id:
            raise UsageError("whom shall it erase?", "give the user's id")
        make_private_folder(self._folder)
        with self._alone():
            return self._asked(user_id, by)

    def _asked(self, user_id: str, by: str) -> tuple[ErasureState, bool]:
        waiting = self.waiting()
        for request_id in waiting:
            if self.user_of(request_id) == user_id:
                state = self.state(request_id)
                # One that is begun may be past what came in since.
                if state.state == "waiting":
                    return state, False
        if len(waiting) >= WAITING_MAX:
            raise TooManyErasures(
                f"{len(waiting):,} erasures wait already", "ask again when some of them are done"
            )
        now = self._clock.now_ms()
        state = ErasureState(
            id=f"{now}-{token_hex(8)}", state="waiting", asked_at=iso_ms(now), by=by
        )
        self.tell(state)
        _put(self._folder / f"{state.id}{_USER}", user_id.encode())
        return state, True

    def waiting(self) -> list[str]:
        """The ids of what is not done yet, the oldest first."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(_USER) for name in names if name.endswith(_USER))

    def user_of(self, request_id: str) -> str | None:
        """Whom a request is about; None when it is done."""
        try:
            return self.file_of(request_id).read_bytes().decode()
        except FileNotFoundError:
            return None

    def file_of(self, request_id: str) -> Path:
        """The file that holds the user's id."""
        return self._folder / f"{request_id}{_USER}"

    def files_of(self, user_id: str) -> Iterator[Path]:
        """The files of all requests about a user that are not done when it is gone through."""
        for request_id in self.waiting():
            if self.user_of(request_id) == user_id:
                yield self.file_of(request_id)

    def state(self, request_id: str) -> ErasureState:
        """How far a request is. Raises `NotThere` for one that is not there, or not remembered."""
        with suppress(FileNotFoundError):
            if _ID.fullmatch(request_id):
                path = self._folder / f"{request_id}{_STATE}"
                return msgspec.json.decode(path.read_bytes(), type=ErasureState)
        raise NotThere(
            "there is no such erasure", f"the last {STATES_KEPT:,} are remembered; ask for it anew"
        )

    def tell(self, state: ErasureState) -> None:
        """Say how far a request is, durably."""
        _put(self._folder / f"{state.id}{_STATE}", msgspec.json.encode(state) + b"\n")

    def end(self, state: ErasureState) -> None:
        """Say what became of a request, and leave nothing of the user's id in it."""
        self.tell(state)
        _wipe(self.file_of(state.id))
        sync_folder(self._folder)
        states = sorted(path for path in self._folder.iterdir() if path.name.endswith(_STATE))
        waiting = set(self.waiting())
        for path in states[:-STATES_KEPT]:
            if path.stem not in waiting:
                path.unlink()

    def sweep(self) -> None:
        """Leave nothing of requests that were never whole, so that nobody was told of them."""
        for path in self._folder.glob(f".*{_USER}{_NEW}"):
            with suppress(FileNotFoundError):
                if self._clock.now_ms() / 1000 - path.stat().st_mtime > _LEFT_AFTER_S:
                    _wipe(path)

    def show_taker(self) -> None:
        """Let whoever asks see that somebody is there who takes requests."""
        path, now_s = self._folder / _TAKER, self._clock.now_ms() / 1000
        # Nobody stops working because it can't be seen.
        with suppress(OSError):
            make_private_folder(self._folder)
            path.touch(FILE_MODE)
            os.utime(path, (now_s, now_s))

    def has_taker(self) -> bool:
        """Whether somebody was there a moment ago who takes requests."""
        try:
            shown_at = (self._folder / _TAKER).stat().st_mtime
        except FileNotFoundError:
            return False
        return self._clock.now_ms() / 1000 - shown_at <= _TAKER_S

    def begin(self, request_id: str) -> ErasureState | None:
        """Say that a request is begun, and return how far it was before; None where it is ended, or
        was taken back."""
        with self._alone():
            if not self.file_of(request_id).exists():
                return None
            state = self.state(request_id)
            if state.state in ("done", "failed"):
                # Whoever ended it was interrupted.
                self.end(state)
                return None
            self.tell(msgspec.structs.replace(state, state="erasing"))
            return state

    def withdraw(self, request_id: str) -> bool:
        """Take a request back that nobody has begun. False where somebody has."""
        with self._alone():
            state = self.state(request_id)
            if state.state != "waiting":
                return False
            trouble = "taken back: nobody had begun it"
            self.end(msgspec.structs.replace(state, state="failed", trouble=trouble))
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let others who ask, begin or take back wait meanwhile."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _wipe(path: Path) -> None:
    """Overwrite a file, and delete it."""
    with suppress(FileNotFoundError):
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


def _put(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    new = path.with_name(f".{path.name}{_NEW}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)
