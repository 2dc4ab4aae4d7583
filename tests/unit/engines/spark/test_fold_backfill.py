"""What executors make of a backfill of folds: the same as this process makes of it."""

import json
import random
from collections import defaultdict
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Fold
from rtcdp.engines.commit import NOBODY
from rtcdp.engines.decided import partition_by_partition
from rtcdp.engines.fold_backfill import InThisProcess, fill_folds
from rtcdp.engines.folding import Folding
from rtcdp.engines.spark import stories
from rtcdp.engines.spark.exchange import DIFFERENCE_ARROW_SCHEMA
from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.fold_backfill import (
    InExecutors,
    chunker,
    event_packer,
    keys_by_task,
    whole_teller,
)
from rtcdp.engines.spark.stories import FoldFailed, StoreAccess, changes_in
from rtcdp.folds.paths import Paths
from rtcdp.folds.sessions import Sessions
from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import open_store
from rtcdp.testing.driver import content, differing
from tests.unit.engines.spark.local_query import LocalQuery, Message, Topic

START_MS, MINUTE = 1_767_225_600_000, 60_000
FOLDS = (
    Fold("visits", "Visits", Sessions()),
    Fold("ways", "Ways", Paths(by="user")),
    Fold("by_client", "By the client's session", Sessions(), key="sessionId"),
)
RULES = AdmissionRules()
TASKS = 3


class Lost:
    """Stands for an accumulator of Spark's."""

    value = 0

    def add(self, more):
        self.value += more


class InTasks(InExecutors):
    """The tasks of a backfill, one after the other, here."""

    jobs = 0

    def _told(self, telling, ranges, recorded, number):
        type(self).jobs += 1
        lost, tasks = Lost(), defaultdict(list)
        read = [self.source.arrow(each, *at) for each, at in ranges.items()]
        for rows in event_packer(telling, recorded, lost, TASKS)(iter(read)):
            for row in rows.to_pylist():
                tasks[row["task"]].append(pa.RecordBatch.from_pylist([row], rows.schema))
        made = [each for rows in tasks.values() for each in chunker(telling, number)(iter(rows))]
        return gathered(made, telling.table), lost.value

    def _whole(self, fold, keys, tasks, epoch):
        assert keys.num_rows == tasks
        made = []
        for row in keys.to_batches():
            made += whole_teller(fold, self.access, epoch)(iter([row]))
        return gathered(made, fold.table)


def gathered(made, table):
    empty = pl.DataFrame(DIFFERENCE_ARROW_SCHEMA.empty_table())
    return changes_in(pl.concat([empty, *map(pl.DataFrame, made)]), (table,))


@pytest.fixture
def topic():
    rng, made = random.Random(5), Topic()
    made.topic = "events"
    for number in range(120):
        user, at = rng.choice(["ann", "bob", "cleo", "dan"]), rng.randrange(60) * 8 * MINUTE
        fields = {
            "eventId": f"e{rng.randrange(110)}",
            "userId": user,
            "eventType": "PAGE_VIEW",
            "timestamp": START_MS - at,
            "pageUrl": rng.choice(["/", "/a", "/b"]),
            "sessionId": rng.choice([None, "s", "t"]),
        }
        value = json.dumps(fields).encode() if number % 40 else b"no event"
        made.send(Message(value, START_MS + number), partition=sum(user.encode()) % 2)
    return made


@pytest.fixture
def counted(tmp_path, topic):
    """A store that has counted all of it, without folds."""
    while stories._opened:
        stories._opened.popitem()[1].close()
    opened = []

    def one(name):
        url = f"sqlite:{tmp_path / name}.db"
        opened.append(open_store(url))
        LocalQuery(topic, opened[-1], (), RULES).run()
        opened[-1].prepare((), Folding(FOLDS, opened[-1]).tables)
        return opened[-1], StoreAccess(open_store, url)

    yield one
    for store in [*opened, *stories._opened.values()]:
        store.close()
    stories._opened.clear()


def in_tasks(topic, store, access, step_offsets):
    conf = SimpleNamespace(conf={"spark.sql.shuffle.partitions": "2"})
    return InTasks(conf, topic, store, access, step_offsets)


@pytest.mark.parametrize("step_offsets", [7, 10**6])
def test_tasks_tell_and_fold_what_this_process_does(topic, counted, step_offsets, monkeypatch):
    monkeypatch.setattr("rtcdp.engines.fold_backfill.PAGE_ROWS", 3)
    here, _ = counted("here")
    way = InThisProcess(topic, here, partition_by_partition)
    fill_folds(topic, here, Folding(FOLDS, here), way, NOBODY)
    there, access = counted("there")
    way = in_tasks(topic, there, access, step_offsets)
    fill_folds(topic, there, Folding(FOLDS, there), way, NOBODY)
    expected = content(here, (), FOLDS)
    assert all(frame.height for frame in expected.values())
    assert differing(expected, content(there, (), FOLDS)) == []
    names = [table.name for table in Folding(FOLDS, there).tables]
    assert {there.backfill_offsets(name) for name in names} == {None}


def test_what_is_killed_goes_on_where_it_was(topic, counted):
    here, _ = counted("here")
    way = InThisProcess(topic, here, partition_by_partition)
    fill_folds(topic, here, Folding(FOLDS, here), way, NOBODY)
    there, access = counted("there")
    commit, left = there.commit_backfill, [1, 2, 5]

    def dying(*args, **options):
        if left and left[0] == 0:
            left.pop(0)
            raise ConnectionError("killed")
        commit(*args, **options)
        if left:
            left[0] -= 1

    there.commit_backfill = dying
    for _ in range(3):
        way = in_tasks(topic, there, access, 20)
        with pytest.raises(ConnectionError):
            fill_folds(topic, there, Folding(FOLDS, there), way, NOBODY)
    fill_folds(topic, there, Folding(FOLDS, there), in_tasks(topic, there, access, 20), NOBODY)
    assert differing(content(here, (), FOLDS), content(there, (), FOLDS)) == []


def _away(url, *, read_only):
    raise StoreUnavailable(f"{url} is away, {read_only=}", "wait")


def _failing(url, *, read_only):
    raise ZeroDivisionError(f"{url} {read_only}")


@pytest.mark.parametrize(
    ("opener", "error"), [(_away, StoreUnavailable), (_failing, FoldFailed | SparkFailed)]
)
def test_what_goes_wrong_in_a_task_is_what_it_was(opener, error):
    keys = keys_by_task(FOLDS[0], [pl.DataFrame({"userId": ["ann"]})])
    made = list(whole_teller(FOLDS[0], StoreAccess(opener, "x"), 0)(iter([keys])))
    with pytest.raises((error,) if isinstance(error, type) else error.__args__):
        gathered(made, FOLDS[0].table)


def test_a_task_without_keys_asks_nobody():
    assert list(whole_teller(FOLDS[0], StoreAccess(_away, "x"), 0)(iter([]))) == []
