"""Which of several equal ids counts does not depend on partitions, batches and restarts.

Records lie in three partitions that are as far apart in time as can be, and are read in slices of
any size, while they come in or all at once. Every record's verdict is the naive one: take all
records in the order of their intake, and compare each with the one before it of the same id.
"""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.admission.batch import admit, decode_batch, remember
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.merged_reader import MergedReader
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import RECORDED_SCHEMA
from rtcdp.engines.decided import with_recorded
from rtcdp.engines.native.recovery import rounds_between
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog

STEP_MS = 60_000
NOW_MS = 1_767_225_600_000
PARTITIONS = 3
RULES = AdmissionRules(max_clock_skew_ms=10**12, dedup_window_ms=50 * STEP_MS)

Place = tuple[int, int]
"""A partition and an offset."""

Arrival = tuple[int, int, int, int]
"""When it came (UTC ms), the partition, the id, and the content."""


def arrivals_of(steps: Sequence[tuple[int, int, int, int]], starts: Sequence[int]) -> list[Arrival]:
    """In the order of intake, from (partition, id, minutes after the one before in the same
    partition, content). Each partition begins so many minutes from now."""
    clocks = [NOW_MS + start * STEP_MS for start in starts]
    arrivals = []
    for partition, key, minutes, content in steps:
        clocks[partition] += minutes * STEP_MS
        arrivals.append((clocks[partition], partition, key, content))
    return sorted(arrivals, key=lambda arrival: arrival[:2])


def naive_verdicts(arrivals: Sequence[Arrival]) -> dict[Place, str]:
    """Of every record that is not counted: duplicate or conflict."""
    last: dict[int, tuple[int, int]] = {}
    offsets = [0] * PARTITIONS
    uncounted = {}
    for received_at, partition, key, content in arrivals:
        before = last.get(key)
        if before is not None and abs(received_at - before[0]) <= RULES.dedup_window_ms:
            verdict = "duplicate" if before[1] == content else "conflict"
            uncounted[partition, offsets[partition]] = verdict
        last[key] = (received_at, content)
        offsets[partition] += 1
    return uncounted


class Admission:
    """What the engine does with a log to tell duplicates, without the counting."""

    def __init__(self, log: MemoryLog, max_bytes: int) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._next_offsets = dict.fromkeys(log.partitions(), 0)
        self.uncounted: dict[Place, str] = {}
        self._remembered_from: dict[int, int] = {}
        self.restart()

    def restart(self) -> None:
        """Lose what is in memory, and read back what has to be known."""
        self._reader = MergedReader(self._log, self._max_bytes)
        self._seen = SeenIds(RULES.dedup_window_ms)
        starts = dict.fromkeys(self._next_offsets, 0) | self._remembered_from
        for pieces in rounds_between(self._log, starts, self._next_offsets, 400):
            remember(with_recorded(pieces, (), self._recorded()), self._seen)

    def _recorded(self) -> dict[int, pl.DataFrame]:
        """What the store would say of the records that are decided."""
        return {
            partition: pl.DataFrame(
                [
                    (offset, "duplicate", reason)
                    for (where, offset), reason in sorted(self.uncounted.items())
                    if where == partition
                ],
                RECORDED_SCHEMA,
                orient="row",
            )
            for partition in self._log.partitions()
        }

    def step(self) -> bool:
        pieces = self._reader.read(self._next_offsets)
        self._next_offsets |= {piece.partition: piece.next_offset for piece in pieces}
        batch = admit(decode_batch(pieces, (), RULES), self._seen) if pieces else None
        if batch is not None:
            rows = batch.uncounted.select("partition", "offset", "reason").rows()
            self.uncounted |= {(partition, offset): reason for partition, offset, reason in rows}
            self._remembered_from = self._seen.remembered_from
        return batch is not None


def append(log: MemoryLog, arrival: Arrival) -> None:
    received_at, partition, key, content = arrival
    line = f'{{"eventId":"{key}","userId":"{content}","timestamp":{NOW_MS},"eventType":"A"}}\n'
    log.append([Delivery(line.encode(), 1, received_at, intake="import")], partition)


steps = st.lists(
    st.tuples(
        st.integers(0, PARTITIONS - 1),
        st.integers(0, 4),
        st.sampled_from([0, 0, 1, 3, 24, 25, 49, 51]),
        st.integers(0, 1),
    ),
    max_size=60,
)
skews = st.tuples(*[st.sampled_from([-90, 0, 0, 200])] * PARTITIONS)
actions = st.lists(st.sampled_from(["feed", "feed", "step", "restart"]), max_size=20)


@pytest.mark.parametrize("max_bytes", [150, 700, 10**9])
@settings(max_examples=200)
@given(steps=steps, starts=skews, cuts=st.lists(st.integers(1, 9), min_size=1), actions=actions)
def test_every_verdict_is_that_of_all_records_in_the_order_of_intake(
    max_bytes: int,
    steps: list[tuple[int, int, int, int]],
    starts: tuple[int, ...],
    cuts: list[int],
    actions: list[str],
) -> None:
    arrivals = arrivals_of(steps, starts)
    reads = iter(cuts * 10_000)
    log = MemoryLog(lambda: next(reads), PARTITIONS)
    admission = Admission(log, max_bytes)
    waiting = list(arrivals)
    for action in [*actions, "feed all", *actions]:
        fed = {"feed": 7, "feed all": len(waiting)}.get(action, 0)
        for arrival in waiting[:fed]:
            append(log, arrival)
        waiting = waiting[fed:]
        if action == "step":
            admission.step()
        if action == "restart":
            admission.restart()
    while admission.step():
        pass
    assert admission.uncounted == naive_verdicts(arrivals)
