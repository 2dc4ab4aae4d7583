"""From the client's message objects to columns, and the buffer of one partition. No network here.

What is done for every message is done in list comprehensions: they are the reader's speed limit.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from rtcdp.log.contract import Int64Array
from rtcdp.log.envelope import WireBatch
from rtcdp.log.limits import Headers

MESSAGE_BYTES = 64
"""What an empty message counts for in a buffer, so that a million of them fill it, too."""


class ConsumedMessage(Protocol):
    """What is asked of a message of the client, one that is no error."""

    def partition(self) -> int: ...

    def offset(self) -> int: ...

    def value(self) -> bytes | None: ...

    def timestamp(self) -> tuple[int, int]:
        """What kind of time, and the time in UTC ms, -1 for none."""
        ...

    def headers(self) -> Headers | None: ...


@dataclass(frozen=True)
class Run:
    """Messages of one partition that follow each other, in columns, at least one.

    `times` are UTC ms, -1 where the message has none; `headers` is None when none of them has any.
    """

    partition: int
    offsets: Int64Array
    values: Sequence[bytes | None]
    times: Int64Array
    headers: Sequence[Headers | None] | None
    byte_count: int

    @property
    def first_offset(self) -> int:
        return int(self.offsets[0])

    @property
    def next_offset(self) -> int:
        return int(self.offsets[-1]) + 1

    def since(self, offset: int) -> "Run | None":
        """Its messages at `offset` and after."""
        return self._cut(int(np.searchsorted(self.offsets, offset)), len(self.values))

    def fitting(self, max_bytes: int) -> "Run":
        """As many of its first messages as fit, at least one."""
        sizes = accumulate(len(value or b"") + MESSAGE_BYTES for value in self.values)
        count = sum(1 for size in sizes if size <= max_bytes)
        return self._cut(0, max(count, 1)) or self

    def _cut(self, start: int, stop: int) -> "Run | None":
        if (start, stop) == (0, len(self.values)):
            return self
        if start >= stop:
            return None
        headers = None if self.headers is None else self.headers[start:stop]
        values = self.values[start:stop]
        return Run(
            self.partition,
            self.offsets[start:stop],
            values,
            self.times[start:stop],
            headers,
            _bytes_of(values),
        )


def runs_of(messages: Sequence[ConsumedMessage]) -> Iterator[Run]:
    """The messages, none of them an error, cut where the partition changes."""
    partitions = [message.partition() for message in messages]
    if partitions.count(partitions[0]) == len(partitions):
        yield _run_of(partitions[0], messages)
        return
    changes = np.flatnonzero(np.diff(partitions)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(messages)]):
        yield _run_of(partitions[start], messages[start:stop])


def _run_of(partition: int, messages: Sequence[ConsumedMessage]) -> Run:
    first, last = messages[0].offset(), messages[-1].offset()
    if last - first == len(messages) - 1:
        offsets = np.arange(first, last + 1, dtype=np.int64)
    else:
        offsets = np.array([message.offset() for message in messages], np.int64)
    values = [message.value() for message in messages]
    # Equal ones that follow each other become one object: they take more room than most values,
    # and `header_runs` looks at them once.
    same: Headers | None = None
    headers = [
        same if (found := message.headers()) == same else (same := found) for message in messages
    ]
    return Run(
        partition,
        offsets,
        values,
        np.array([message.timestamp()[1] for message in messages], np.int64),
        headers if any(headers) else None,
        _bytes_of(values),
    )


def _bytes_of(values: Sequence[bytes | None]) -> int:
    size = len(values) * MESSAGE_BYTES
    try:
        return size + sum(map(len, values))  # type: ignore[arg-type]
    except TypeError:
        return size + sum(len(value) for value in values if value is not None)


class Feed:
    """What was consumed of one partition and not yet asked for: the offsets `[start, end)`.

    The next message to come is the first one at or after `end`. `at_end` is true while the broker
    had no more of them when it was last heard.
    """

    def __init__(self, partition: int, offset: int) -> None:
        self.partition = partition
        self.start = offset
        self.end = offset
        self.byte_count = 0
        self.at_end = False
        self._runs: deque[Run] = deque()

    def holds(self, offset: int) -> bool:
        """True if reading may go on at `offset`."""
        return self.start <= offset <= self.end

    def add(self, run: Run) -> None:
        """Append messages. Those before `end` are left out: they were asked for earlier, before
        the reading was moved."""
        kept = run.since(self.end) if run.first_offset < self.end else run
        if kept is None:
            return
        self._runs.append(kept)
        self.byte_count += kept.byte_count
        self.end = kept.next_offset
        self.at_end = False

    def reach(self, offset: int) -> None:
        """The broker says that nothing follows before `offset` (and nothing after, for now)."""
        if offset >= self.end:
            self.end = offset
            self.at_end = True

    def forget_before(self, offset: int) -> None:
        """Let go of what lies before `offset`."""
        while self._runs and self._runs[0].first_offset < offset:
            run = self._runs.popleft()
            self.byte_count -= run.byte_count
            kept = run.since(offset)
            if kept is not None:
                self._runs.appendleft(kept)
                self.byte_count += kept.byte_count
        self.start = offset

    def give(self, max_bytes: int) -> WireBatch:
        """About the first `max_bytes` of what it holds; they stay here until they are forgotten."""
        taken: list[Run] = []
        size = 0
        next_offset = self.end
        for run in self._runs:
            if size + run.byte_count > max_bytes:
                taken.append(run.fitting(max_bytes - size))
                next_offset = taken[-1].next_offset
                break
            taken.append(run)
            size += run.byte_count
        return _joined(self.partition, self.start, next_offset, taken)


def _joined(partition: int, start: int, next_offset: int, runs: Sequence[Run]) -> WireBatch:
    headers: list[Headers | None] | None = None
    if any(run.headers is not None for run in runs):
        headers = [one for run in runs for one in run.headers or [None] * len(run.values)]
    nothing = np.empty(0, np.int64)
    return WireBatch(
        partition=partition,
        first_offset=start,
        next_offset=next_offset,
        values=[value for run in runs for value in run.values],
        offsets=np.concatenate([nothing, *(run.offsets for run in runs)]),
        timestamps=np.concatenate([nothing, *(run.times for run in runs)]),
        headers=headers,
    )
