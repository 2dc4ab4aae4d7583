"""Which revisions can be read: all young ones, and now and then one for those who read for long.

A document keeps the versions of these revisions and no others, so that what it holds is bounded
however often it changes.
"""

from dataclasses import replace

from rtcdp.store.mongo.head import Head, Kept
from rtcdp.store.mongo.layout import Readable

READABLE_MS = 3_000
READABLE_REVISIONS_MAX = 100
"""For how long a snapshot can be read while others commit, and for how many revisions at most."""

KEPT_EVERY_MS = 30_000
KEPT_MAX = 2
"""How often a revision is kept for those who read for long, and how many are: who takes the newest
of them can read it for half a minute at least."""


def kept_after(head: Head, now_ms: int) -> tuple[Kept, ...]:
    """The states that are kept for long while the next revision is made."""
    if head.kept and 0 <= now_ms - head.kept[-1].at < KEPT_EVERY_MS:
        return head.kept
    state = replace(head.state, last_spans=(), recent=())
    return (*head.kept, Kept(head.revision, now_ms, state))[-KEPT_MAX:]


def readable_after(head: Head, kept: tuple[Kept, ...], now_ms: int) -> Readable:
    """What can be read while the next revision is made."""
    young = [revision for revision, at in head.state.recent if at > now_ms - READABLE_MS]
    # What was the newest before the first young one could be picked until then.
    oldest = min(young) - 1 if young else head.revision
    oldest = max(oldest, head.revision - READABLE_REVISIONS_MAX, head.readable_from)
    return Readable(min(oldest, head.revision), tuple(each.revision for each in kept))


def recent_after(head: Head, committed_at: int) -> tuple[tuple[int, int], ...]:
    """The last revisions and their times, with the next one, made at `committed_at` (UTC ms)."""
    return (*head.state.recent, (head.revision + 1, committed_at))[-READABLE_REVISIONS_MAX:]
