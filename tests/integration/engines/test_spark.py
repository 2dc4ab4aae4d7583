"""The Spark engine from Kafka to a store: exact against the oracle, whatever happens on the way."""

import json
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.log.contract import LogReplaced, RawRecord
from rtcdp.log.kafka import KafkaLogReader, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.store import RowsRefused, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.traffic import START_MS, Traffic
from rtcdp.verify.oracle import Oracle

RULES = AdmissionRules(dedup_window_ms=600_000)
BY_USER = Metric("by_user", "By user", tumbling(minutes=1), (Count("events"),), ("userId",))
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Message:
    """A record to send; `after_ms` is its intake time, counted from `START_MS`."""

    value: bytes
    after_ms: int = 0
    partition: int = 0

    @property
    def received_at(self) -> int:
        return START_MS + self.after_ms


def event(event_id: str | None, user: str = "ada", after_ms: int = 0) -> bytes:
    identity = {} if event_id is None else {"eventId": event_id}
    fields = {"userId": user, "timestamp": START_MS + after_ms, "eventType": "PAGE_VIEW"}
    return json.dumps({**identity, **fields}).encode()


def hit(event_id: str | None, after_ms: int = 0, partition: int = 0, user: str = "ada") -> Message:
    """An event that comes in at its own time."""
    return Message(event(event_id, user, after_ms), after_ms, partition)


def hear(trouble: str) -> None:
    """Nothing is wrong in these tests; but the machine may be busy."""
    if "took too long to start" not in trouble:
        pytest.fail(trouble)


class Installation:
    """A topic, a store and a folder for checkpoints."""

    def __init__(self, bootstrap: str, topic: str, directory: Path, metrics) -> None:
        self.bootstrap, self.topic, self.directory = bootstrap, topic, directory
        self.metrics = metrics
        self.log = KafkaLogReader(
            parse_topic(f"kafka://{bootstrap}/{topic}"), KafkaTopicSettings(group=topic)
        )
        self.store = SqliteStore(directory / "store.db")
        self.limits = SparkLimits(
            master="local[2]",
            checkpoint=str(directory / "checkpoint"),
            max_offsets_per_trigger=1_000_000,
        )
        self.sent: list[Message] = []

    def send(self, *messages: Message, **options: str) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, **options})
        for message in messages:
            producer.produce(
                self.topic,
                message.value,
                partition=message.partition,
                timestamp=message.received_at,
            )
        assert producer.flush(30) == 0
        self.sent += messages

    def spark(self, **limits) -> SparkProcessor:
        source = KafkaSource(self.log, self.bootstrap, self.topic)
        processor = SparkProcessor(
            source, self.store, self.metrics, RULES, SystemClock(), replace(self.limits, **limits)
        )
        processor.listeners = replace(processor.listeners, on_trouble=hear)
        return processor

    def process(self, **limits) -> None:
        self.spark(**limits).run(threading.Event(), once=True)

    def add_metric(self, metric: Metric) -> None:
        """Process with one metric more, which is filled first."""
        self.metrics.append(metric)
        processor = self.spark()
        processor.step_offsets = 15
        processor.run(threading.Event(), once=True)

    def process_natively(self) -> None:
        processor = Processor(self.log, self.store, self.metrics, RULES, SystemClock())
        processor.run(threading.Event(), once=True)

    def totals(self) -> dict[str, int]:
        with self.store.snapshot() as snapshot:
            return snapshot.ledger_totals()

    def check(self) -> None:
        """Every table and the ledger are what the oracle says of all that was sent."""
        offsets: dict[int, int] = {}
        records = []
        for message in self.sent:
            offset = offsets.get(message.partition, 0)
            offsets[message.partition] = offset + 1
            records.append(
                RawRecord(
                    message.partition,
                    offset,
                    message.received_at,
                    "default",
                    "live",
                    message.value,
                )
            )
        oracle = Oracle(self.metrics, RULES).feed(records)
        for metric in stored_metrics(self.metrics):
            for table in tables_of(metric):
                width = len(table.primary_key)
                rows = self.store.dump(table).rows()
                found = {row[:width]: list(row[width:]) for row in rows}
                assert found == oracle.rows[table.name], table.name
        with self.store.snapshot() as snapshot:
            ledger = snapshot.ledger(limit=10**6)
        counted = {
            (row["source"], row["minute"], verdict): row[verdict]
            for row in ledger.iter_rows(named=True)
            for verdict in ("admitted", "duplicate", "late", "dead_letter")
            if row[verdict]
        }
        assert counted == oracle.ledger
        assert ledger["conflict"].sum() == oracle.conflicts

    def close(self) -> None:
        self.store.close()
        self.log.close()


@pytest.fixture
def install(kafka_server, new_topic, tmp_path, spark):  # noqa: ARG001 - it has to run
    """Makes the installation of the test: (partitions, metrics)."""
    made = []

    def one(partitions=1, metrics=(BY_USER,)) -> Installation:
        topic = new_topic(partitions)
        made.append(Installation(kafka_server.bootstrap, topic, tmp_path, list(metrics)))
        return made[-1]

    yield one
    for installation in made:
        installation.close()


def messages_of(traffic: Traffic, partitions: int) -> list[Message]:
    """A shop's traffic, good and bad; the records of a user in one partition, bad ones in any."""
    messages = []
    for delivery in traffic.deliveries():
        rejects = dict(delivery.rejects)
        lines = iter(delivery.lines.split(b"\n"))
        for index in range(delivery.record_count):
            value = rejects[index] if index in rejects else next(lines)
            try:
                key = str(json.loads(value)["userId"])
            except (ValueError, TypeError, KeyError):
                key = str(index)
            after_ms = delivery.received_at - START_MS
            messages.append(Message(value, after_ms, sum(key.encode()) % partitions))
    return messages


def test_traffic_with_every_flaw_is_counted_as_by_the_oracle(install):
    shop = install(partitions=3, metrics=load_catalog())
    shop.send(*messages_of(Traffic(4_000, users=40), 3))
    shop.process(max_offsets_per_trigger=1_500)
    shop.check()
    totals = shop.totals()
    assert all(totals[each] > 50 for each in ("admitted", "duplicate", "late", "dead_letter"))
    assert shop.store.progress().engine == "spark"
    assert shop.store.progress().log_id == shop.log.log_id()


DAY_MS = 1_440 * MINUTE_MS
STORY = (
    *(hit("again" if n in (0, 3, 15) else f"other-{n}", 120 * n * MINUTE_MS) for n in range(16)),
    *(hit("chain", 2 * DAY_MS + 8 * n * MINUTE_MS) for n in range(5)),
    # Clocks of producers: the first minutes of 1970, and ten days ahead.
    Message(event("young"), 61_000 - START_MS),
    *(hit(f"ahead-{n}", 12 * DAY_MS + n) for n in range(8)),
    hit("chain", 2 * DAY_MS + 40 * MINUTE_MS),
    Message(event("new", after_ms=2 * DAY_MS), 2 * DAY_MS),
    Message(event("new", after_ms=2 * DAY_MS), 2 * DAY_MS),
    Message(event("new", after_ms=2 * DAY_MS, user="eve"), 2 * DAY_MS),
)


@pytest.mark.parametrize("batch", [7, 1_000_000])
def test_an_id_is_judged_by_the_records_before_it_whatever_the_batches(install, batch):
    shop = install()
    shop.send(*STORY)
    shop.process(max_offsets_per_trigger=batch)
    shop.check()
    totals = shop.totals()
    assert (totals["admitted"], totals["duplicate"], totals["conflict"]) == (26, 7, 6)
    shop.add_metric(replace(BY_USER, name="later"))
    shop.check()


class Refusing:
    """A store that can't take the rows of one user; in everything else another store."""

    def __init__(self, store: SqliteStore, user: str) -> None:
        self._store, self._user = store, user

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def commit(self, epoch) -> None:
        for change in epoch.changes:
            if (change.rows["userId"] == self._user).any():
                raise RowsRefused("planted", "mend it")
        self._store.commit(epoch)


def test_a_record_that_the_store_refuses_is_set_aside_and_the_others_count(install):
    shop = install(partitions=2)
    shop.send(*(hit(f"e{n}", n, n % 2, "bad" if n == 14 else f"user-{n}") for n in range(20)))
    shop.send(hit("e14", 30, 1, "good"), hit("e14", 30, 1, "good"))
    source = KafkaSource(shop.log, shop.bootstrap, shop.topic)
    store = Refusing(shop.store, "bad")
    processor = SparkProcessor(source, store, [BY_USER], RULES, SystemClock(), shop.limits)
    said: list[str] = []
    processor.listeners = replace(processor.listeners, on_trouble=said.append)
    processor.run(threading.Event(), once=True)
    totals = shop.totals()
    assert (totals["admitted"], totals["duplicate"], totals["dead_letter"]) == (20, 1, 1)
    with shop.store.snapshot() as snapshot:
        (left_out,) = snapshot.uncounted(UncountedScan(verdict="dead_letter")).rows(named=True)
    assert (left_out["partition"], left_out["offset"], left_out["reason"]) == (
        *(0, 7),
        "processor_error",
    )
    assert left_out["raw"] == shop.sent[14].value
    assert any("offset 7 of partition 0" in sentence for sentence in said)


def test_what_is_no_exception_ends_it_as_well(install):
    """Spark must not wait for an answer that never comes."""

    class Died(BaseException):
        pass

    class Deadly:
        def __getattr__(self, name: str):
            return getattr(shop.store, name)

        def commit(self, _) -> None:
            raise Died

    shop = install()
    shop.send(hit("a"))
    source = KafkaSource(shop.log, shop.bootstrap, shop.topic)
    processor = SparkProcessor(source, Deadly(), [BY_USER], RULES, SystemClock(), shop.limits)
    with pytest.raises(Died):
        processor.run(threading.Event(), once=True)
    shop.process()
    assert shop.totals()["admitted"] == 1


def test_an_id_counts_once_on_whichever_partitions_it_comes(install):
    shop = install(partitions=2)
    shop.send(hit("a"), hit("b"), hit("a", 5, partition=1), hit("c", 6, partition=1))
    shop.process()
    shop.send(hit("c", 7), hit("b", 8, partition=1), hit(None, 9), hit(None, 9, partition=1))
    shop.process()
    totals = shop.totals()
    assert (totals["received"], totals["admitted"], totals["duplicate"]) == (8, 5, 3)
    (table,) = tables_of(BY_USER)
    assert shop.store.dump(table).rows() == [(START_MS, "ada", 5)]


def test_of_a_partition_s_repeats_the_first_in_the_log_is_counted(install):
    shop = install()
    shop.send(*(hit(f"e{n % 700}", n, user=f"user-{n}") for n in range(2_000)))
    shop.process()
    shop.check()
    with shop.store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["duplicate"] == 1_300


def test_the_ends_of_transactions_are_no_records(install):
    shop = install()
    producer = Producer(
        {"bootstrap.servers": shop.bootstrap, "transactional.id": shop.topic, "linger.ms": 0}
    )
    producer.init_transactions(30)
    for number in range(4):
        producer.begin_transaction()
        for place in range(3):
            at = START_MS + number
            producer.produce(shop.topic, event(f"{number}-{place}"), partition=0, timestamp=at)
        assert producer.flush(30) == 0  # an abort would take back what has not left yet
        (producer.commit_transaction if number % 2 == 0 else producer.abort_transaction)(30)
    shop.process()
    assert shop.totals()["received"] == shop.totals()["admitted"] == 6
    assert shop.store.progress().next_offsets == {0: shop.log.extent(0).next_offset}


class Crash(Exception):
    """What the test makes of a processor in the middle of its work."""


def test_a_batch_that_spark_runs_again_is_not_counted_again(install):
    shop = install(partitions=2)
    shop.send(*(hit(f"e{n}", n, n % 2) for n in range(300)))
    processor = shop.spark(max_offsets_per_trigger=100)

    def crash_after_the_commit(report):
        if report.epoch == 2:
            raise Crash

    processor.listeners = replace(processor.listeners, on_epoch=crash_after_the_commit)
    with pytest.raises(Crash):
        processor.run(threading.Event(), once=True)
    assert shop.store.progress().epoch == 2
    shop.send(*(hit(f"e{n}", 300 + n, n % 2) for n in range(300)))
    shop.process(max_offsets_per_trigger=100)
    shop.check()
    assert shop.totals()["duplicate"] == 300


def test_a_lost_checkpoint_is_made_again_from_the_log(install):
    shop = install(partitions=2)
    shop.send(*(hit(f"e{n}", n, n % 2) for n in range(200)))
    shop.process()
    shutil.rmtree(shop.limits.checkpoint)
    shop.send(*(hit(f"e{n}", 1_000 + n, n % 2) for n in range(300)))
    shop.process()
    shop.check()
    assert shop.totals()["duplicate"] == 200


def test_a_new_index_is_whole_before_anything_is_counted(install):
    """Batches take a share of each partition: the ids of one are read back in many of them."""
    shop = install(partitions=2)
    shop.send(hit("first"), *(hit(f"e{n}", n, partition=1) for n in range(100)))
    shop.process_natively()
    shop.send(hit("e99", 200), *(hit(f"new-{n}", 200) for n in range(200)))
    shop.process(max_offsets_per_trigger=20)
    assert (shop.totals()["received"], shop.totals()["duplicate"]) == (302, 1)
    shop.send(hit("e98", 300), hit("new-7", 300, partition=1))
    shop.process(max_offsets_per_trigger=20)
    assert (shop.totals()["received"], shop.totals()["duplicate"]) == (304, 3)


def test_the_engine_may_change_back_and_forth(install):
    shop = install(partitions=2)
    for round_number in range(4):
        first, at = 50 * round_number, 1_000 * round_number
        shop.send(*(hit(f"e{n}", at + n, n % 2) for n in range(first, first + 100)))
        (shop.process if round_number % 2 else shop.process_natively)()
        shop.check()
    assert shop.totals()["duplicate"] == 150


def test_partitions_that_are_read_at_different_times_are_counted_alike(install):
    shop = install(partitions=2)
    minutes = [n * MINUTE_MS for n in range(15)]
    shop.send(*(hit(f"e{n % 9}-{n}", at) for n, at in enumerate(minutes)))
    shop.send(*(hit(f"e{n % 9}-{n}", at + 5, partition=1) for n, at in enumerate(minutes)))
    shop.process()
    shop.send(*(hit(f"f{n}", at, partition=1) for n, at in enumerate(minutes[5:])))
    shop.process()
    totals = shop.totals()
    assert (totals["duplicate"], totals["admitted"]) == (15, 25)


def test_another_topic_of_the_same_name_is_not_gone_on_with(install, kafka_server):
    shop = install()
    shop.send(hit("a"), hit("b"))
    shop.process()
    kafka_server.delete_topic(shop.topic)
    kafka_server.create_topic(shop.topic, 1)
    shop.send(hit("c"), hit("d"), hit("e"))
    with pytest.raises(LogReplaced):
        shop.process()
    assert shop.totals()["received"] == 2


def test_it_follows_the_topic_until_it_is_told_to_stop(install):
    shop = install()
    shop.send(hit("a"), hit("b"))
    stop, counted = threading.Event(), threading.Semaphore(0)
    processor = shop.spark(trigger_s=0.1)
    processor.listeners = replace(
        processor.listeners, on_epoch=lambda report: counted.release(report.record_count)
    )
    thread = threading.Thread(target=processor.run, args=(stop,))
    thread.start()
    try:
        assert all(counted.acquire(timeout=120) for _ in range(2))
        shop.send(hit("a", 5), hit("c", 6))
        assert all(counted.acquire(timeout=120) for _ in range(2))
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
    shop.check()
