"""Folds in the executors of Spark, on a real topic: the rows that the whole story makes, whatever
happens on the way."""

import json
import threading
from dataclasses import dataclass, replace

import polars as pl
import pytest
from confluent_kafka import Producer

from rtcdp.admission.batch import ADMITTED
from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import SystemClock
from rtcdp.definitions import Count, Fold, Metric, tumbling
from rtcdp.engines.decided import decided_batches
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.engines.spark.stories import StoreAccess
from rtcdp.folds.sessions import Sessions
from rtcdp.log.contract import Delivery
from rtcdp.log.envelope import headers_for
from rtcdp.log.kafka import KafkaLogReader, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.adapters import STORES
from rtcdp.store import StoreUnavailable, UncountedScan
from rtcdp.testing.traffic import START_MS, Traffic

PARTITIONS = 3
RULES = AdmissionRules(dedup_window_ms=600_000)
BY_TYPE = Metric("by_type", "By type", tumbling(minutes=1), (Count("events"),), ("eventType",))
FOLDS = (*load_folds(), Fold("by_client", "By client", Sessions(), key="sessionId"))


@dataclass(frozen=True)
class Shop:
    """A topic, a store and a folder for checkpoints."""

    source: KafkaSource
    store: object
    access: StoreAccess
    checkpoint: str

    def send(self, deliveries) -> None:
        producer = Producer({"bootstrap.servers": self.source.bootstrap})
        for delivery in deliveries:
            rejects = dict(delivery.rejects)
            lines = iter(delivery.lines.split(b"\n"))
            for index in range(delivery.record_count):
                value = rejects[index] if index in rejects else next(lines)
                producer.produce(
                    self.source.topic,
                    value,
                    partition=hash_of(value) % PARTITIONS,
                    timestamp=delivery.received_at,
                    headers=headers_for(delivery.source, "live", None),
                )
        assert producer.flush(30) == 0

    def processor(self, folds=FOLDS, *, batch: int = 1_000_000) -> SparkProcessor:
        limits = SparkLimits(
            master="local[2]", checkpoint=self.checkpoint, max_offsets_per_trigger=batch
        )
        made = SparkProcessor(self.source, self.store, [BY_TYPE], RULES, SystemClock(), limits)
        made.folds, made.store_access = folds, self.access
        return made

    def process(self, folds=FOLDS, *, batch: int = 1_000_000) -> None:
        self.processor(folds, batch=batch).run(threading.Event(), once=True)

    def process_natively(self, folds=FOLDS) -> None:
        made = Processor(self.source.log, self.store, [BY_TYPE], RULES, SystemClock())
        made.folds = folds
        made.run(threading.Event(), once=True)

    def admitted(self) -> pl.DataFrame:
        """All events that are counted, as the store has recorded it."""
        log, ends = self.source.log, self.store.progress().next_offsets
        fields = Folding(FOLDS, self.store).fields
        starts = dict.fromkeys(ends, 0)
        found = [
            batch.events.filter(batch.verdicts == ADMITTED)
            for batch in decided_batches(log, self.store, starts, ends, fields)
        ]
        return pl.concat(found)

    def check(self, folds=FOLDS) -> None:
        """Every row is the one that the whole story of its key makes."""
        events = self.admitted()
        with self.store.snapshot() as snapshot:
            assert events.height == snapshot.ledger_totals()["admitted"] > 0
        for fold in folds:
            whole = fold.step.rows(
                fold.step.relevant(events.filter(pl.col(fold.key).is_not_null())), fold.key
            )
            expected = whole.sort(fold.primary_key).rows(named=True)
            assert expected, f"{fold.name} tells nothing"
            assert self.store.dump(fold.table).rows(named=True) == expected, fold.name
        for table in Folding(folds, self.store).tables:
            if table.name.startswith("timeline__"):
                told = events[table.group_key[0]].is_not_null().sum()
                assert self.store.dump(table)["event_count"].sum() == told


def hash_of(value: bytes) -> int:
    """A user's records go to one partition, and bad ones to any."""
    try:
        return sum(str(json.loads(value)["userId"]).encode())
    except (ValueError, TypeError, KeyError):
        return len(value)


@pytest.fixture
def install(kafka_server, new_topic, request, tmp_path, spark):  # noqa: ARG001 - it has to run
    """Makes the installation of the test: (the store's scheme)."""
    made = []

    def one(scheme: str) -> Shop:
        places = {"postgresql": "postgres_schema_url", "mongodb": "mongo_url"}
        url = f"sqlite:{tmp_path / 'store.db'}"
        if scheme in places:
            url = request.getfixturevalue(places[scheme])
        opener = STORES[scheme].opener("open_store")
        topic = new_topic(PARTITIONS)
        log = KafkaLogReader(parse_topic(kafka_server.url(topic)), KafkaTopicSettings(group=topic))
        made.extend((log, opener(url)))
        source = KafkaSource(log, kafka_server.bootstrap, topic)
        access = StoreAccess(opener, url)
        return Shop(source, made[-1], access, str(tmp_path / "checkpoint"))

    yield one
    for each in made:
        each.close()


class Crash(Exception):
    """What the test makes of a processor in the middle of its work."""


def test_a_batch_that_spark_runs_again_and_a_changed_engine_leave_the_rows_as_they_are(install):
    shop = install("sqlite")
    deliveries = list(Traffic(2_400, users=30, request_lines=100).deliveries())
    thirds = len(deliveries) // 3
    shop.send(deliveries[:thirds])
    shop.process_natively(load_folds())
    shop.send(deliveries[thirds : 2 * thirds])
    # One fold is new, and filled first.
    processor, epochs = shop.processor(batch=500), []

    def crash_after_a_commit(report):
        epochs.append(report.epoch)
        if len(epochs) == 2:
            raise Crash

    processor.listeners = replace(processor.listeners, on_epoch=crash_after_a_commit)
    with pytest.raises(Crash):
        processor.run(threading.Event(), once=True)
    assert shop.store.progress().epoch == epochs[-1]
    shop.process()
    shop.check()
    shop.send(deliveries[2 * thirds :])
    shop.process_natively()
    shop.check()


def test_what_a_fold_fails_at_in_an_executor_becomes_a_dead_letter(install):
    @dataclass(frozen=True)
    class Poisoned(Sessions):
        """Sessions that can't be made of one user's events. Executors can't import it."""

        def relevant(self, events):
            if (events["userId"] == "bad").any():
                raise ZeroDivisionError("planted")
            return events

    shop = install("sqlite")
    lines = [
        b'{"eventId": "e%d", "userId": "%s", "timestamp": %d, "eventType": "A"}'
        % (n, b"bad" if n == 2 else b"u%d" % (n % 2), START_MS + n)
        for n in range(4)
    ]
    shop.send([Delivery(b"\n".join(lines) + b"\n", len(lines), START_MS, "shop")])
    folds = (Fold("visits", "Visits", Poisoned()),)
    processor, said = shop.processor(folds), []
    processor.listeners = replace(processor.listeners, on_trouble=said.append)
    processor.run(threading.Event(), once=True)
    with shop.store.snapshot() as snapshot:
        (left_out,) = snapshot.uncounted(UncountedScan()).rows(named=True)
    assert (left_out["reason"], left_out["raw"]) == ("processor_error", lines[2])
    assert "planted" in left_out["message"]
    assert any("could not be counted" in each for each in said)
    rows = shop.store.dump(folds[0].table)
    assert rows.select("userId", "event_count").rows() == [("u0", 1), ("u1", 2)]


def test_while_executors_can_not_reach_the_store_it_says_so_and_tries_again(install):
    def away(url, *, read_only):
        del url, read_only
        raise StoreUnavailable("nobody answers", "start it")

    shop = install("sqlite")
    shop.send(Traffic(200, users=20).deliveries())
    processor, stop, said = shop.processor(), threading.Event(), []
    processor.store_access = StoreAccess(away, "")

    def hear(trouble: str) -> None:
        if "took too long to start" not in trouble:
            said.append(trouble)
            stop.set()

    processor.listeners = replace(processor.listeners, on_trouble=hear)
    processor.run(stop)
    assert said == ["an executor can't read: nobody answers; trying again"]
    assert shop.store.progress().epoch == 0
    shop.process()
    shop.check()
