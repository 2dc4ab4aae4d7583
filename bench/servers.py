"""Kafka → store on real servers: the native engine, Spark, and the job that is written by hand.

Run as a script, it makes one run in a process of its own and prints the result as JSON:

    python -m bench.servers build TOPIC_URL --events N [--without-ids]
    python -m bench.servers run TOPIC_URL STORE_URL --engine native|spark --metrics namesake|catalog
"""

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from bench.engine import hour_of_deliveries, metrics_named
from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.log.kafka import parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.parts import log_reader, log_writer, store_of
from rtcdp.runtime.processes.allocation import collect_seldom, share_one_heap
from rtcdp.runtime.processing import processor_on
from rtcdp.runtime.settings import Settings
from rtcdp.store import EpochReport

PARTITIONS = 4
BATCH_OFFSETS = 1_000_000
"""What a batch of Spark's takes at most, of ours and of the job by hand."""

NO_SPARK = SparkLimits()
"""For who measures the native engine."""


def build(
    topic_url: str, count: int, *, with_ids: bool, partitions: int = PARTITIONS
) -> dict[str, float]:
    """Write `count` generated events into a new topic, taken in just after they happened."""
    settings = Settings(log=topic_url, kafka=KafkaTopicSettings(partitions=partitions))
    began = time.perf_counter()
    make_topic(topic_url, partitions)
    with log_writer(settings, SystemClock()) as writer:
        for deliveries in hour_of_deliveries(count, with_ids=with_ids):
            writer.append(deliveries)
    return {"events": count, "events_per_s": count / (time.perf_counter() - began)}


def make_topic(topic_url: str, partitions: int) -> None:
    """A topic whose records keep the time of intake that they are given."""
    topic = parse_topic(topic_url)
    client = AdminClient({"bootstrap.servers": topic.bootstrap})
    new = NewTopic(topic.name, partitions, 1, config={"message.timestamp.type": "CreateTime"})
    client.create_topics([new], operation_timeout=30)[topic.name].result(60)


def run(
    topic_url: str,
    store_url: str,
    engine: str,
    metrics: str,
    spark: SparkLimits = NO_SPARK,
    *,
    is_endless: bool = False,
) -> dict[str, float]:
    """Fold the whole topic into a new store, or what comes into it without an end. Returns events,
    seconds, events/s, CPU-seconds of all threads for a million events, and epochs: Spark's first
    one is slow, and left out of its warm rate."""
    epochs: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            data_dir=Path(directory),
            log=topic_url,
            store=store_url,
            engine="spark" if engine == "spark" else "native",
            spark=spark,
        )
        with log_reader(settings) as log, store_of(settings) as store:
            chosen = metrics_named(metrics)
            processor = processor_on(settings, log, store, SystemClock(), chosen)

            def note(report: EpochReport) -> None:
                epochs.append((report.record_count, time.perf_counter()))

            processor.listeners = replace(processor.listeners, on_epoch=note)
            began, worked = time.perf_counter(), time.process_time()
            processor.run(threading.Event(), once=not is_endless)
            seconds, worked = time.perf_counter() - began, time.process_time() - worked
            with store.snapshot() as snapshot:
                totals = snapshot.ledger_totals()
    warm = sum(records for records, _ in epochs[1:]) / max(1e-9, epochs[-1][1] - epochs[0][1])
    return {
        "events": totals["received"],
        "admitted": totals["admitted"],
        "seconds": seconds,
        "events_per_s": totals["received"] / seconds,
        "warm_events_per_s": warm,
        "cpu_s_a_million": worked / totals["received"] * 1e6,
        "epochs": len(epochs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    building = actions.add_parser("build")
    building.add_argument("topic")
    building.add_argument("--events", type=int, required=True)
    building.add_argument("--without-ids", action="store_true")
    running = actions.add_parser("run")
    running.add_argument("topic")
    running.add_argument("store")
    running.add_argument("--engine", default="native")
    running.add_argument("--metrics", default="namesake")
    running.add_argument("--jars", default="")
    running.add_argument("--batch-offsets", type=int, default=BATCH_OFFSETS)
    running.add_argument("--endless", action="store_true", help="until it is killed")
    chosen = parser.parse_args()
    if chosen.action == "build":
        found = build(chosen.topic, chosen.events, with_ids=not chosen.without_ids)
        print(json.dumps(found))
        return
    # As the process of a processor does.
    share_one_heap(os.environ)
    collect_seldom()
    places = chosen.topic, chosen.store
    spark = SparkLimits(
        "local[2]", chosen.jars, max_offsets_per_trigger=chosen.batch_offsets, trigger_s=0.1
    )
    found = run(*places, chosen.engine, chosen.metrics, spark, is_endless=chosen.endless)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
