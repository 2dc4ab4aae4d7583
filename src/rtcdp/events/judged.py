"""Records that go to the log together, of which some have been judged already."""

from collections.abc import Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """Consecutive records in one text, each ended by LF.

    `is_verified` says that each of its `line_count` lines is an event by the strict rule
    (`rtcdp.events.codec`); what is not verified has yet to be judged.
    """

    lines: bytes
    line_count: int
    is_verified: bool

    def records(self) -> list[bytes]:
        """The records one by one, without their line breaks."""
        return self.lines.removesuffix(b"\n").split(b"\n") if self.lines else []


def run_of(records: Sequence[bytes], *, is_verified: bool = False) -> Run:
    """The records as a run."""
    return Run(b"\n".join([*records, b""]), len(records), is_verified)
