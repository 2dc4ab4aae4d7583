"""How far a partition has come by its own word, and from which offset on ids are remembered.

A partition's records witness the passing of time: each by the step from the newest intake time
before it, but by a second at most, so that no record moves the clock far, whatever its own says. An
id may be forgotten when its partition has witnessed more than a dedup window and a slack since, and
has had many records besides. Executors add up slices, the driver puts them together; where the two
can't tell exactly, less is witnessed and more remembered.
"""

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from rtcdp.engines.spark.slices import Int64Array, SliceAccount
from rtcdp.events.seen_ids import CLOCK_SLACK_MS

STEP_MS_MAX = 1_000
"""So much time one record witnesses at most."""

RECORDS_MIN = 2**18
"""So many records of a partition come before any of its ids is forgotten."""

_MARKS = 256

Witnessed = tuple[int, int, int]
"""Of some records: the intake time of the first, the time that they witnessed, and the intake time
that the next is compared with (UTC ms, ms, UTC ms); all 0 where no intake time is known."""


def witnessed_in(received_at: Int64Array) -> Witnessed:
    """What records, given in log order, witness by themselves."""
    known = received_at[received_at > 0]
    if len(known) == 0:
        return 0, 0, 0
    newest = np.maximum.accumulate(known)
    if int((newest - known).max()) <= CLOCK_SLACK_MS:
        steps = np.minimum(np.diff(newest), STEP_MS_MAX)
        return int(known[0]), int(steps.sum()), int(newest[-1])
    first, *following = known.tolist()
    reference, witnessed = first, 0
    for each in following:
        if each > reference:
            witnessed += min(each - reference, STEP_MS_MAX)
            reference = each
        elif each < reference - CLOCK_SLACK_MS:
            reference = each
    return first, witnessed, reference


@dataclass
class _Mark:
    """A place in a partition, and what was witnessed and how many records came before it."""

    offset: int
    witnessed_ms: int
    records: int


@dataclass
class _Course:
    """What a partition has witnessed since it was first looked at."""

    reference: int = 0
    witnessed_ms: int = 0
    records: int = 0
    marks: deque[_Mark] = field(default_factory=deque)


class Remembrance:
    """From which offset on the ids of each partition are remembered, as slices come.

    It starts at `remembered_from` and moves on when enough was witnessed here; what came before
    counts for nothing, so that after a restart ids are kept for longer.
    """

    def __init__(self, remembered_from: Mapping[int, int], window_ms: int) -> None:
        self._remembered_from = dict(remembered_from)
        self._window_ms = window_ms + CLOCK_SLACK_MS
        self._courses: dict[int, _Course] = {}

    @property
    def remembered_from(self) -> dict[int, int]:
        """The offset for each partition."""
        return dict(self._remembered_from)

    def after(self, accounts: Iterable[SliceAccount]) -> "Remembrance":
        """What it is when these slices have come, of each partition in log order."""
        following = copy.deepcopy(self)
        for account in accounts:
            following._add(account)
        return following

    def _add(self, account: SliceAccount) -> None:
        course = self._courses.setdefault(account.partition, _Course())
        self._remembered_from.setdefault(account.partition, account.first_offset)
        self._mark(course, account.first_offset)
        _witness(course, account.witnessed)
        course.records += account.record_count
        while course.marks and self._is_over(course, course.marks[0]):
            offset = course.marks.popleft().offset
            before = self._remembered_from[account.partition]
            self._remembered_from[account.partition] = max(before, offset)

    def _mark(self, course: _Course, offset: int) -> None:
        """Marks are as far apart as they may be without keeping many ids for much longer."""
        last = course.marks[-1] if course.marks else None
        if last is not None and (
            course.witnessed_ms - last.witnessed_ms < self._window_ms // _MARKS
            or course.records - last.records < RECORDS_MIN // _MARKS
        ):
            return
        course.marks.append(_Mark(offset, course.witnessed_ms, course.records))

    def _is_over(self, course: _Course, mark: _Mark) -> bool:
        return (
            course.witnessed_ms - mark.witnessed_ms > self._window_ms
            and course.records - mark.records >= RECORDS_MIN
        )


def _witness(course: _Course, witnessed: Witnessed) -> None:
    first, added_ms, last = witnessed
    if first == 0:
        return
    is_anew = course.reference == 0 or first < course.reference - CLOCK_SLACK_MS
    if not is_anew:
        # What lies before the newest time was witnessed already.
        added_ms -= max(0, course.reference - first)
        added_ms += min(max(0, first - course.reference), STEP_MS_MAX)
        if last >= course.reference - CLOCK_SLACK_MS:
            last = max(last, course.reference)
    course.witnessed_ms += max(0, added_ms)
    course.reference = last
