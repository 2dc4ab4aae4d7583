"""What the Spark processor does around its query; the query itself needs Kafka."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from py4j.protocol import Py4JNetworkError

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.spark import processor as spark_engine
from rtcdp.engines.spark.failures import StartAnew
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.log.contract import LogUnavailable, OffsetsMissing
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from rtcdp.testing.memory_log import MemoryLog

METRIC = Metric("m", "a metric", tumbling(minutes=1), (Count("n"),))


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


def processor_of(log, store, tmp_path):
    limits = SparkLimits(master="local[2]", checkpoint=str(tmp_path / "checkpoint"))
    source = KafkaSource(log, "127.0.0.1:1", "nothing")
    return SparkProcessor(source, store, [METRIC], AdmissionRules(), ManualClock(), limits)


@pytest.mark.usefixtures("spark")
def test_a_topic_that_is_not_there_yet_is_an_empty_log(store, tmp_path) -> None:
    processor = processor_of(MemoryLog(partitions=0), store, tmp_path)
    processor.run(threading.Event(), once=True)
    assert list(store.metrics()) == ["m"]
    assert store.backfill_offsets("m") is None
    assert processor.progress.epoch == 0


@pytest.mark.usefixtures("spark")
def test_a_log_that_is_shorter_than_what_was_counted_is_refused(store, tmp_path) -> None:
    log = MemoryLog(partitions=1)
    store.prepare([METRIC])
    store.put_rules_in_force(AdmissionRules(allowed_lateness_ms=1))
    store.commit(EpochMaker().make())
    with pytest.raises(OffsetsMissing, match="log ends at 0"):
        processor_of(log, store, tmp_path).run(threading.Event(), once=True)
    with store.snapshot() as snapshot:
        in_force = [each.rules.allowed_lateness_ms for each in snapshot.admission_rules()]
    assert in_force == [1]


@pytest.mark.usefixtures("spark")
def test_while_the_log_is_away_it_says_so_and_tries_again(store, tmp_path) -> None:
    class Away(MemoryLog):
        def partitions(self):
            raise LogUnavailable("no broker answers", "is Kafka running?")

    processor = processor_of(Away(), store, tmp_path)
    stop, troubles = threading.Event(), []

    def hear(trouble: str) -> None:
        troubles.append(trouble)
        if len(troubles) == 2:
            stop.set()

    processor.listeners = replace(processor.listeners, on_trouble=hear)
    processor.run(stop)
    assert troubles == ["no broker answers; trying again"] * 2


@pytest.mark.usefixtures("spark")
def test_when_the_log_is_back_it_says_so_though_nothing_is_in_it(store, tmp_path) -> None:
    class AwayOnce(MemoryLog):
        was_away = False

        def partitions(self):
            if not self.was_away:
                self.was_away = True
                raise LogUnavailable("no broker answers", "is Kafka running?")
            return super().partitions()

    processor = processor_of(AwayOnce(partitions=0), store, tmp_path)
    heard = []
    processor.listeners = replace(
        processor.listeners, on_trouble=heard.append, on_back=lambda: heard.append("back")
    )
    processor.run(threading.Event(), once=True)
    assert heard == ["no broker answers; trying again", "back"]


@pytest.mark.parametrize("is_asked_to_stop", [True, False])
def test_java_that_ends_with_it_is_no_failure(
    store, tmp_path, monkeypatch, is_asked_to_stop
) -> None:
    """As when a terminal or a supervisor tells the whole group of processes to end."""
    stop = threading.Event()

    @contextmanager
    def ended(_):
        if is_asked_to_stop:
            stop.set()
        raise Py4JNetworkError("Error while sending or receiving")
        yield

    monkeypatch.setattr(spark_engine, "spark_session", ended)
    processor = processor_of(MemoryLog(), store, tmp_path)
    if is_asked_to_stop:
        processor.run(stop, once=True)
    else:
        with pytest.raises(Py4JNetworkError):
            processor.run(stop, once=True)


def test_a_batch_that_comes_while_the_query_is_stopped_holds_nothing_up(store, tmp_path) -> None:
    """Spark ends a query when its batch is over, which waits for its turn meanwhile."""
    processor = processor_of(MemoryLog(), store, tmp_path)
    refused, was_waited_for = [], []

    def hand_over() -> None:
        try:
            processor._handle(None, 0)
        except StartAnew as refusal:
            refused.append(refusal)

    class Query:
        def stop(self) -> None:
            batch = threading.Thread(target=hand_over, daemon=True)
            batch.start()
            batch.join(5)
            was_waited_for.append(batch.is_alive())

    processor._end(Query())
    assert (was_waited_for, len(refused)) == ([False], 1)
