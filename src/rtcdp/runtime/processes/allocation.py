"""How the processor's columns get their memory.

Polars has an allocator of its own, jemalloc, and sets it up so that what was freed goes back to
the system within half a second, and blocks of 8 MiB and more at once. That suits a program that
asks one question. The processor makes columns of the same sizes for each epoch, about one a
second under load: the system would take their pages, and give others that it has to zero first.

The allocator reads its settings once, when Polars is imported. So a process that is to fold calls
`keep_freed_memory` before.
"""

from collections.abc import MutableMapping

VARIABLE = "_RJEM_MALLOC_CONF"
"""Where jemalloc looks for them; https://jemalloc.net/jemalloc.3.html tells each."""

KEPT = "dirty_decay_ms:10000,oversize_threshold:0"
"""Freed pages stay for up to ten seconds to be used again, and large blocks are no exception."""

OF_POLARS = "dirty_decay_ms:500,muzzy_decay_ms:1000"
"""What Polars sets when it is imported, and whatever that process starts inherits."""


def keep_freed_memory(environment: MutableMapping[str, str]) -> None:
    """Let this process, and those that it starts, keep what was freed for the next epoch. What an
    operator has put there stays. Without effect where Polars has been imported already."""
    if environment.get(VARIABLE) in (None, "", OF_POLARS):
        environment[VARIABLE] = KEPT
