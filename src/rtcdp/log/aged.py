"""What a log has let go of by the type of events: bytes are gone from the midst of it, and marks
say up to when.

The marks only ever move forward. They are set before a byte goes, so that whoever computes
something again knows what may be missing, also when the work was interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rtcdp.clock import EARLIEST_MS


@dataclass(frozen=True)
class Aged:
    """Events of a type that happened before `until` (UTC ms, by type) have been let go of, or are
    just being; those before `done` are gone, as far as they lay before `done_offset` then. None lay
    at `counted_offset` or behind it. What happened before `stories_from` is told in no story any
    more, whatever its type."""

    until: Mapping[str, int] = field(default_factory=dict)
    done: Mapping[str, int] = field(default_factory=dict)
    done_offset: int = 0
    counted_offset: int = 0
    stories_from: int | None = None

    @property
    def whole_from(self) -> int | None:
        """Windows that begin at this time (UTC ms) or later miss no event; None: none does."""
        return max(self.until.values(), default=None)

    @property
    def told_from(self) -> int:
        """From when on (UTC ms) stories are told; long ago, where all are."""
        return EARLIEST_MS if self.stories_from is None else self.stories_from

    @property
    def is_done(self) -> bool:
        """Whether all that was begun was finished."""
        return all(self.done.get(name) == until for name, until in self.until.items())


NOTHING_AGED = Aged()


@runtime_checkable
class AgingLog(Protocol):
    """A log that can let go of single records whose type of event is kept for no longer."""

    def aged(self) -> Aged: ...

    def note_aged(self, aged: Aged) -> None:
        """Remember this, durably, in the place of what was remembered before."""
        ...

    def age(self, offsets: Mapping[int, Sequence[int]]) -> int:
        """Take the bytes of the records at these offsets, by partition, out of the log. As
        `rtcdp.log.contract.ErasableLog.erase`, but what is left has an `aged_mark`, and appends
        wait for a moment at a time. Returns how many were taken out now."""
        ...

    def overwrite_aged(self) -> None:
        """See to it that no byte of what was taken out is left in any file; appends wait for that.
        Raises `LogUnavailable` while a reader is in the way."""
        ...


def aged_of(log: object) -> Aged:
    """What a log has let go of; nothing, where it can't. Raises what a reader raises."""
    return log.aged() if isinstance(log, AgingLog) else NOTHING_AGED
