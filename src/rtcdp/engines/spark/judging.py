"""The index of seen ids as Spark keeps it: keyed state, a key a bucket. Runs in the executors.

Spark calls the processor once a bucket and batch. A bucket's state is the list of its runs, and
each run by its name. Runs never change, so a Python worker keeps those that it has read or written:
a batch asks the state for the list and for little else.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pyspark import TaskContext
from pyspark.sql import Row
from pyspark.sql.streaming.stateful_processor import (
    MapState,
    StatefulProcessor,
    StatefulProcessorHandle,
    TimerValues,
    ValueState,
)

from rtcdp.admission.repeats import Sightings
from rtcdp.engines.spark.exchange import SliceIds, pack, unpack_ids
from rtcdp.engines.spark.seen_runs import (
    RUN_ID_BYTES,
    RunEntry,
    in_decision_order,
    is_forgettable,
    judge,
    merge_due,
    merged,
    pack_run,
    unpack_run,
)

REMEMBERED_FROM = "rtcdp.remembered_from"
"""The local property of a job that says, by partition, from which offset on ids are remembered."""

_CACHE_BYTES_MAX = 128 * 2**20

_encode = msgspec.json.Encoder().encode
_decode_property = msgspec.json.Decoder(dict[int, int]).decode
_decode_entries = msgspec.json.Decoder(list[RunEntry]).decode


class RunCache:
    """Runs by their names, up to so many bytes; the least recently used one goes first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._runs: OrderedDict[str, Sightings] = OrderedDict()

    def get(self, name: str) -> Sightings | None:
        run = self._runs.get(name)
        if run is not None:
            self._runs.move_to_end(name)
        return run

    def put(self, name: str, run: Sightings) -> None:
        """Keep a run; one that is there already stays."""
        if name in self._runs:
            return
        self._runs[name] = run
        self._bytes += len(run) * RUN_ID_BYTES
        while self._bytes > self._bytes_max and len(self._runs) > 1:
            _, oldest = self._runs.popitem(last=False)
            self._bytes -= len(oldest) * RUN_ID_BYTES


_cache = RunCache(_CACHE_BYTES_MAX)


def remembered_property(remembered_from: Mapping[int, int]) -> str:
    """The value of the local property `REMEMBERED_FROM`."""
    return _encode({str(partition): at for partition, at in remembered_from.items()}).decode()


class BucketJudge(StatefulProcessor):
    """Takes rows of `DECODED_SCHEMA`, gives rows of `JUDGED_SCHEMA`. `window_ms` is the dedup
    window."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms

    def init(self, handle: StatefulProcessorHandle) -> None:
        """Called by Spark in every task."""
        self._entries: ValueState = handle.getValueState("entries", "entries binary")
        self._runs: MapState = handle.getMapState("runs", "name string", "run binary")

    def handleInputRows(  # noqa: N802 - Spark's name
        self,
        key: Any,
        rows: Iterator[Row],
        timerValues: TimerValues,  # noqa: ARG002, N803
    ) -> Iterator[Row]:
        """One bucket's rows of a batch."""
        if key[0] < 0:
            return (_passed_on(row) for row in rows)
        return self._judged([unpack_ids(row.ids) for row in rows])

    def handleInitialState(  # noqa: N802 - Spark's name
        self,
        key: Any,  # noqa: ARG002
        initialState: Row,  # noqa: N803
        timerValues: TimerValues,  # noqa: ARG002, N803
    ) -> None:
        """Ids of one slice that were decided before: the index of a new checkpoint begins with
        them."""
        for _ in self._judged([unpack_ids(initialState.ids)]):
            """None of them is counted."""

    def close(self) -> None:
        """There is nothing to close."""

    def _judged(self, slices: list[SliceIds]) -> Iterator[Row]:
        found = self._entries.get()
        before = _decode_entries(found[0]) if found else []
        remembered_from = _remembered_from()
        entries = [each for each in before if not is_forgettable(each, remembered_from)]
        candidates = in_decision_order(slices)
        judged = judge(candidates, [self._run(each) for each in entries], self._window_ms)
        written: dict[str, Sightings] = {}
        if len(judged.run):
            entries.append(judged.entry)
            written[judged.entry.name] = judged.run
        while count := merge_due(entries):
            last = entries[-count:]
            parts = [written.get(each.name) or self._run(each) for each in last]
            run, entry = merged(parts, last)
            entries[-count:] = [entry]
            written[entry.name] = run
        self._write(before, entries, written)
        for verdicts in judged.verdicts:
            yield _row(partition=verdicts.partition, verdicts=pack(verdicts))

    def _run(self, entry: RunEntry) -> Sightings:
        run = _cache.get(entry.name)
        if run is None:
            (packed,) = self._runs.getValue((entry.name,)) or (b"",)
            run = unpack_run(bytes(packed))
            if len(run) != entry.count:
                raise ValueError(f"the index of ids has lost a run of {entry.count} ids")
            _cache.put(entry.name, run)
        return run

    def _write(
        self, before: list[RunEntry], entries: list[RunEntry], written: Mapping[str, Sightings]
    ) -> None:
        if entries == before:
            return
        old, new = ({each.name for each in listed} for listed in (before, entries))
        for name in sorted(new - old):
            _cache.put(name, written[name])
            self._runs.updateValue((name,), (pack_run(written[name]),))
        for name in sorted(old - new):
            self._runs.removeKey((name,))
        self._entries.update((_encode(entries),))


def _remembered_from() -> Mapping[int, int]:
    context = TaskContext.get()
    said = context.getLocalProperty(REMEMBERED_FROM) if context else None
    return _decode_property(said) if said else {}


def _passed_on(row: Row) -> Row:
    return _row(
        partition=row.partition,
        first_offset=row.first_offset,
        next_offset=row.next_offset,
        account=row.account,
        events=row.events,
        identities=row.identities,
        uncounted=row.uncounted,
    )


def _row(**given: object) -> Row:
    return Row(**{**_NOTHING, **given})


_NOTHING = {
    "partition": None,
    "first_offset": None,
    "next_offset": None,
    "verdicts": None,
    "account": None,
    "events": None,
    "identities": None,
    "uncounted": None,
}
