"""How the processor gets its memory.

Polars has an allocator of its own, jemalloc, and sets it up so that what was freed goes back to
the system within half a second, and blocks of 8 MiB and more at once. That suits a program that
asks one question. The processor makes columns of the same sizes for each epoch, about one a
second under load: the system would take their pages, and give others that it has to zero first.

The allocator reads its settings once, when Polars is imported. So a process that is to fold calls
`prepare_to_fold` before.

All else comes from the C library. That of GNU gives threads heaps of their own, and each keeps
what it had at most: here one thread reads, another folds, a third commits, and what one has made
another one frees. Python lets only one of them work at a time anyway, so they share one heap.
"""

import ctypes
import gc
from collections.abc import MutableMapping

VARIABLE = "_RJEM_MALLOC_CONF"
"""Where jemalloc looks for them; https://jemalloc.net/jemalloc.3.html tells each."""

KEPT = "dirty_decay_ms:10000,oversize_threshold:0"
"""Freed pages stay for up to ten seconds to be used again, and large blocks are no exception."""

OF_POLARS = "dirty_decay_ms:500,muzzy_decay_ms:1000"
"""What Polars sets when it is imported, and whatever that process starts inherits."""

HEAPS_VARIABLE = "MALLOC_ARENA_MAX"
"""Where the C library of GNU looks for the number of heaps, once, when a process starts."""

_M_ARENA_MAX = -8
"""The same in `malloc.h`, for a process that runs already."""

_COLLECTED_AFTER = (20_000, 20, 50)
"""After how many objects that may be part of a cycle the youngest are looked at, and after how many
of such looks those that are older."""


def prepare_to_fold(environment: MutableMapping[str, str]) -> None:
    """Let this process get its memory as one that folds does: all of the below."""
    keep_freed_memory(environment)
    share_one_heap(environment)
    collect_seldom()


def keep_freed_memory(environment: MutableMapping[str, str]) -> None:
    """Let this process, and those that it starts, keep what was freed for the next epoch. What an
    operator has put there stays. Without effect where Polars has been imported already."""
    if environment.get(VARIABLE) in (None, "", OF_POLARS):
        environment[VARIABLE] = KEPT


def share_one_heap(environment: MutableMapping[str, str]) -> None:
    """Let all threads of this process, and of each that it starts, have one heap; an operator may
    have said another number. Without effect on a C library that knows no such thing."""
    environment.setdefault(HEAPS_VARIABLE, "1")
    heaps = environment[HEAPS_VARIABLE]
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None and heaps.isdecimal():
        set_option(_M_ARENA_MAX, int(heaps))


def collect_seldom() -> None:
    """Look for objects that nobody can reach less often than Python does by itself: a message from
    Kafka with its headers is three that may be part of a cycle and never are, so that a handful of
    them would be looked at again and again while they are made."""
    gc.set_threshold(*_COLLECTED_AFTER)
