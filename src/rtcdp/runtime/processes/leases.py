"""Who may process into a store: the lock on a file, or the lease that a server keeps.

A file's lock is dropped by the system when its holder dies. A lease lasts for a while longer,
unless it is plain that its holder is dead: the same machine knows its own processes.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from rtcdp.clock import Clock
from rtcdp.runtime.processes.locks import AlreadyRunning, Holder, processor_lock
from rtcdp.runtime.settings import Settings
from rtcdp.store import LeaseHeld, Store, StoreUnavailable

_POLL_S = 0.2
_START_TIME_FIELD = 19
"""Of what follows the command's name in /proc/PID/stat (proc(5): the 22nd of all)."""


class LeaseHolder(msgspec.Struct, frozen=True):
    """What names one process for ever: a process id comes again, a start time with it does not."""

    pid: int
    host: str
    started: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f" ({self.started})" if self.started else "")


@contextmanager
def processing_right(
    settings: Settings, store: Store, clock: Clock, patience_s: float = 0.0
) -> Iterator[None]:
    """The right to process into the installation's store, held until the end.

    Raises `AlreadyRunning` when another processor still has it after `patience_s`.
    """
    lock = processor_lock(settings, patience_s)
    if lock is not None:
        with lock:
            yield
        return
    ttl_ms = int(settings.processor.lease_ttl_s * 1000)
    take_lease(store, clock, ttl_ms, patience_s)
    try:
        yield
    finally:
        # A store that is away ends the lease by its time.
        with suppress(StoreUnavailable):
            store.release_lease()


def this_process() -> LeaseHolder:
    """This very process."""
    return LeaseHolder(os.getpid(), socket.gethostname(), _started(os.getpid()))


def is_dead(holder: LeaseHolder) -> bool:
    """True only if the holder is known to have ended; of other machines nothing is known."""
    if holder.host != socket.gethostname():
        return False
    # Process ids are used again: another start time is another process.
    if holder.started:
        return _started(holder.pid) != holder.started
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    # Somebody else's process: it is there.
    except PermissionError:
        pass
    return False


def name_of_this_process() -> str:
    """This very process as the holder of a lease, in one line of text."""
    return msgspec.json.encode(this_process()).decode()


def is_known_dead(holder: str) -> bool:
    """True only if whoever has a lease under this name is known to have ended."""
    named = _named(holder)
    return named is not None and is_dead(named)


def take_lease(store: Store, clock: Clock, ttl_ms: int, patience_s: float = 0.0) -> None:
    """Take the right that a store's lease is, from a dead holder at once.

    Raises `AlreadyRunning` when another processor still has it after `patience_s`.
    """
    deadline = clock.monotonic() + patience_s
    own, over = name_of_this_process(), None
    while True:
        try:
            store.acquire_lease(own, clock.now_ms(), ttl_ms, over=over)
            return
        except LeaseHeld as held:
            holder = _named(held.lease.holder)
            # Taken over by its token: if a third one was quicker, the token is another, and this
            # fails.
            over = held.lease.token if holder is not None and is_dead(holder) else None
            if over is None and clock.monotonic() >= deadline:
                raise _refused(held, holder) from held
        if over is None:
            time.sleep(_POLL_S)


def end_lease(store: Store, clock: Clock) -> None:
    """End the lease of whoever has it, in a store that nobody works on."""
    own, over = name_of_this_process(), None
    while True:
        try:
            # Taken and given back, so that the token grows: what the last holder has still on its
            # way to be written is refused then.
            store.acquire_lease(own, clock.now_ms(), 1, over=over)
            break
        except LeaseHeld as held:
            # Of a store in shards, one after the other.
            over = held.lease.token
    store.release_lease()


def _refused(held: LeaseHeld, holder: LeaseHolder | None) -> AlreadyRunning:
    who = str(holder or held.lease.holder)
    return AlreadyRunning(
        f"another processor works on this store: {who}",
        "stop it first, or use another --store; the lease of one that has died ends by itself",
        Holder(0 if holder is None else holder.pid),
    )


def _named(holder: str) -> LeaseHolder | None:
    try:
        return msgspec.json.decode(holder, type=LeaseHolder)
    except msgspec.DecodeError:
        return None


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks of this boot; empty where that isn't told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended, and only its parent does not know.
    if fields[0] == "Z":
        return ""
    return f"{boot[:8]}-{fields[_START_TIME_FIELD]}"
