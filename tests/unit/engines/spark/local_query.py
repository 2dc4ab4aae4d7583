"""A query of the Spark engine without Spark: the same functions on the same rows, in this process.

What Spark does in between is done here as plainly as can be: rows are grouped by their bucket,
state is a dictionary, and a batch that fails leaves no trace in it.
"""

import copy
import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import Row

from rtcdp.definitions import fields_of
from rtcdp.engines.commit import progress_after
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.spark.accounts import account_of
from rtcdp.engines.spark.batches import Batch
from rtcdp.engines.spark.counting import Counting, Surroundings
from rtcdp.engines.spark.decoding import Decoding, decoder
from rtcdp.engines.spark.exchange import (
    DIFFERENCE_ARROW_SCHEMA,
    unpack_account,
    unpack_verdicts,
)
from rtcdp.engines.spark.failures import StartAnew
from rtcdp.engines.spark.folding import Unpacking, event_unpacker
from rtcdp.engines.spark.judging import BucketJudge
from rtcdp.engines.spark.recovery import passed_over
from rtcdp.engines.spark.remembrance import Remembrance
from rtcdp.engines.spark.stories import (
    StoreAccess,
    Stories,
    changes_in,
    folder,
    keyed_packer,
    stories_of,
)
from rtcdp.log.contract import LogExtent, Records
from rtcdp.log.envelope import Headers, WireBatch, records_of
from rtcdp.store import Epoch, RowChanges, TableChange
from rtcdp.store.sqlite import open_store

TASKS = 3
"""In so many tasks events are folded."""


@dataclass(frozen=True)
class Message:
    """A record of a topic; `received_at` in UTC ms."""

    value: bytes
    received_at: int
    headers: Headers | None = None


@dataclass
class Topic:
    """The records of each partition; a reader of a log as far as the engine asks for one."""

    partitions_given: dict[int, list[Message]] = field(default_factory=lambda: defaultdict(list))

    def send(self, *messages: Message, partition: int = 0) -> None:
        self.partitions_given[partition] += messages

    def log_id(self) -> str:
        return "topic"

    def partitions(self) -> Sequence[int]:
        return sorted(self.partitions_given)

    def extent(self, partition: int) -> LogExtent:
        return LogExtent(partition, 0, len(self.partitions_given[partition]), 0)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        del max_bytes
        messages = self.partitions_given[partition]
        given = messages[offset:]
        return records_of(
            WireBatch(
                partition=partition,
                first_offset=offset,
                next_offset=len(messages),
                values=[each.value for each in given],
                offsets=np.arange(offset, len(messages)),
                timestamps=np.array([each.received_at for each in given], np.int64),
                headers=[each.headers for each in given],
            )
        )

    def arrow(self, partition: int, start: int, stop: int) -> pa.RecordBatch:
        """Records `[start, stop)` as Spark's Kafka source and its query give them."""
        messages = self.partitions_given[partition][start:stop]
        return pa.RecordBatch.from_arrays(
            [
                pa.array([each.value for each in messages], pa.binary()),
                pa.array([partition] * len(messages), pa.int32()),
                pa.array(range(start, start + len(messages)), pa.int64()),
                pa.array([each.received_at * 1000 for each in messages], pa.timestamp("us", "UTC")),
                pa.array([_headers_as_text(each.headers) for each in messages], pa.string()),
            ],
            ["value", "partition", "offset", "timestamp", "headers"],
        )


def _headers_as_text(headers: Headers | None) -> str | None:
    if headers is None:
        return None
    pairs = [(name, b64encode(value).decode()) for name, value in headers if value is not None]
    return json.dumps([{"key": name, "value": value} for name, value in pairs])


def keyed(stories: Stories, slices, duplicates, ranges) -> dict[int, list[pa.RecordBatch]]:
    """By task, the events that come to it of slices (`partition`, `events`)."""
    tasks = defaultdict(list)
    for rows in keyed_packer(stories, duplicates, ranges, TASKS)(iter(slices)):
        for row in rows.to_pylist():
            tasks[row["task"]].append(pa.RecordBatch.from_pylist([row], rows.schema))
    return tasks


def folded_by_task(stories: Stories, tasks, after_epoch, number) -> tuple[RowChanges, ...]:
    """What the tasks find to change."""
    empty = pl.DataFrame(DIFFERENCE_ARROW_SCHEMA.empty_table())
    found = [
        pl.DataFrame(each)
        for rows in tasks.values()
        for each in folder(stories, after_epoch, number)(iter(rows))
    ]
    return changes_in(pl.concat([empty, *found]), stories.tables)


class LocalBatch(Batch):
    """A batch whose rows lie here. `gathered_bytes` is the most that one job gave the driver."""

    def __init__(self, rows: list[dict[str, object]], metrics, stories=None) -> None:
        super().__init__(None, metrics, stories)
        self.rows, self.metrics = rows, metrics
        self.gathered_bytes = 0

    def accounts(self):
        return (
            [unpack_account(row["account"]) for row in self.rows if row["account"] is not None],
            [unpack_verdicts(row["verdicts"]) for row in self.rows if row["verdicts"] is not None],
        )

    def changes(self, duplicates, ranges) -> tuple[TableChange, ...]:
        fields = fields_of(self.metrics)
        unpack = event_unpacker(Unpacking(fields, (), duplicates, ranges))
        batches = list(unpack(self._touched(("events",), ranges)))
        if not batches:
            return ()
        return changes_of(self.metrics, pl.DataFrame(pa.Table.from_batches(batches)))

    def row_changes(self, duplicates, ranges, number) -> tuple[RowChanges, ...]:
        if self._stories is None:
            return ()
        slices = self._touched(("events",), ranges)
        tasks = keyed(self._stories, slices, duplicates, ranges)
        return folded_by_task(self._stories, tasks, number - 1, number)

    def _gathered(self, columns, ranges, unpacker, schema) -> pl.DataFrame:
        batches = list(unpacker(self._touched(columns, ranges)))
        table = pa.Table.from_batches(batches) if batches else None
        if table is None:
            return schema.to_frame(eager=True)
        self.gathered_bytes = max(self.gathered_bytes, table.nbytes)
        return pl.DataFrame(table).cast(dict(schema))

    def _touched(self, columns, ranges):
        for row in self.rows:
            start, end = ranges.get(row["partition"], (0, 0))
            is_slice = row["account"] is not None
            if not is_slice or row["first_offset"] >= end or row["next_offset"] <= start:
                continue
            if columns == ("events",) and row["events"] is None:
                continue
            yield pa.RecordBatch.from_pylist(
                [{name: row[name] for name in ("partition", *columns)}],
                pa.schema([("partition", pa.int32()), *((each, pa.binary()) for each in columns)]),
            )


class _State:
    """A bucket's state."""

    def __init__(self) -> None:
        self.value: tuple | None = None
        self.runs: dict[tuple, tuple] = {}

    def get(self):
        return self.value

    def update(self, value) -> None:
        self.value = value

    def getValue(self, key):  # noqa: N802 - Spark's name
        return self.runs.get(key)

    def updateValue(self, key, value) -> None:  # noqa: N802 - Spark's name
        self.runs[key] = value

    def removeKey(self, key) -> None:  # noqa: N802 - Spark's name
        del self.runs[key]


class _Handle:
    def __init__(self, state: _State) -> None:
        self._state = state

    def getValueState(self, *_):  # noqa: N802 - Spark's name
        return self._state

    def getMapState(self, *_):  # noqa: N802 - Spark's name
        return self._state


class LocalQuery:
    """A query over a topic into a store. `start` it, and `step` it batch by batch. With
    `folds` comes the URL at which their tasks read the store, a SQLite file."""

    def __init__(
        self, topic: Topic, store, metrics, rules, slice_records=50_000, folds=None
    ) -> None:
        self.topic, self.store, self.metrics, self.rules = topic, store, list(metrics), rules
        self.slice_records = slice_records
        self.folds = folds
        self.troubles: list[str] = []
        self.epochs = 0
        self.gathered_bytes = 0
        self.account_bytes = 0
        self.on_commit = lambda: None
        self.states: dict[int, _State] = {}
        self.reached: dict[int, int] = {}
        self.start()

    def start(self, *, anew: bool = False) -> None:
        """Begin where the store stands; `anew` without what was kept of the ids."""
        folds, url = self.folds or ((), "")
        folding = Folding(folds, self.store)
        self.stories = stories_of(folding, StoreAccess(open_store, url)) if folds else None
        self.store.prepare(self.metrics, folding.tables)
        self.progress = self.store.progress()
        partitions = self.topic.partitions()
        next_offsets = {each: self.progress.next_offsets.get(each, 0) for each in partitions}
        remembered_from = {each: self.progress.remembered_from.get(each, 0) for each in partitions}
        if anew:
            self.reached = dict(remembered_from)
        starts = {each: self.reached.get(each, 0) for each in partitions}
        self.decoding = Decoding(
            tuple({*fields_of(self.metrics), *folding.fields}),
            self.rules,
            next_offsets,
            passed_over(self.store, starts, next_offsets),
        )
        if anew:
            self._fill(next_offsets)
        self.remembrance = Remembrance(remembered_from, self.rules.dedup_window_ms)
        self.counting = Counting(
            Surroundings(
                log=self.topic,
                progress=lambda: self.progress,
                commit=self._commit_epoch,
                report=lambda _: None,
                on_trouble=self.troubles.append,
                is_stopping=lambda: False,
            )
        )

    def _fill(self, next_offsets: Mapping[int, int]) -> None:
        """Begin with an index of what is counted."""
        self.states = {}
        for bucket, given in self._decoded(next_offsets).items():
            if bucket >= 0:
                judge = self._judge(bucket)
                for row in given:
                    judge.handleInitialState((bucket,), Row(**row), None)
        self.reached = dict(next_offsets)

    def step(self, ends: Mapping[int, int]) -> None:
        """One batch up to these offsets; again and again while it has to be started anew."""
        while True:
            before = copy.deepcopy(self.states)
            try:
                self._batch(ends)
            except BaseException as error:
                self.states = before
                if not isinstance(error, StartAnew):
                    raise
                self.start()
            else:
                self.reached |= ends
                return

    def run(self, records: int = 1_000_000) -> None:
        """To the end, with so many records of each partition in a batch."""
        while True:
            ends = {
                each: min(self.reached.get(each, 0) + records, self.topic.extent(each).next_offset)
                for each in self.topic.partitions()
            }
            if ends == self.reached:
                return
            self.step(ends)

    def _batch(self, ends: Mapping[int, int]) -> None:
        judged = []
        for bucket, given in self._decoded(ends).items():
            judge = self._judge(bucket)
            found = judge.handleInputRows((bucket,), iter([Row(**row) for row in given]), None)
            judged += [row.asDict() for row in found]
        kept = LocalBatch(judged, self.metrics, self.stories)
        batch = account_of(*kept.accounts())
        self.account_bytes = sum(
            len(row[name] or b"") for row in judged for name in ("account", "verdicts")
        )
        remembrance = self.remembrance.after(batch.counted)
        self.counting.count(kept, batch, ends, remembrance.remembered_from)
        self.remembrance = remembrance
        self.gathered_bytes = max(self.gathered_bytes, kept.gathered_bytes)

    def _decoded(self, ends: Mapping[int, int]) -> Mapping[int, list[dict]]:
        """The rows of what comes next up to these offsets, by bucket."""
        rows: defaultdict[int, list[dict]] = defaultdict(list)
        for partition, end in ends.items():
            start = self.reached.get(partition, 0)
            slices = [
                self.topic.arrow(partition, first, min(first + self.slice_records, end))
                for first in range(start, end, self.slice_records)
            ]
            for batch in decoder(self.decoding)(iter(slices)):
                for row in batch.to_pylist():
                    rows[row["bucket"]].append(row)
        return rows

    def _judge(self, bucket: int) -> BucketJudge:
        judge = BucketJudge(self.rules.dedup_window_ms)
        judge.init(_Handle(self.states.setdefault(bucket, _State())))
        return judge

    def _commit_epoch(self, epoch: Epoch) -> None:
        self.on_commit()
        epoch = replace(epoch, committed_at=1, log_id="topic")
        self.store.commit(epoch)
        self.progress = progress_after(self.progress, epoch)
        self.epochs += 1
