"""Quix Streams, exactly once: hopping counts of a topic keyed by user, into another topic, to the
topic's end. Two processes share the partitions; state in RocksDB, kept in topics.

    python -m bench.rivals.quix_flow BOOTSTRAP TOPIC RESULTS FOLDER [endless]
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from quixstreams import Application
from quixstreams.models import TopicConfig

from bench.rivals.contestant import STEP_MS, WINDOW_MS, WORKERS

_LATE_MS = 120_000
_LOOK_S, _PATIENCE_S = 0.1, 30.0
_WHOLE_S, _FRESH_S = 1.0, 0.1
"""How often results are committed: seldom costs less, often is fresher."""
_SESSION_MS = 6_000
"""The shortest that a broker takes: how long whoever is killed keeps its partitions."""


def main(bootstrap: str, topic: str, results: str, folder: str, is_endless: bool = False) -> None:
    """Let workers count until all of the topic is committed, or for ever. Raises `RuntimeError` if
    one ends."""
    command = (sys.executable, "-m", "bench.rivals.quix_flow", bootstrap, topic, results)
    folders = [f"{folder}/{number}" for number in range(WORKERS)]
    pace = "fresh" if is_endless else "whole"
    workers = [subprocess.Popen((*command, each, pace)) for each in folders]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": results})
    try:
        partitions = consumer.list_topics(topic, _PATIENCE_S).topics[topic].partitions
        places = [TopicPartition(topic, each) for each in partitions]
        ends = [consumer.get_watermark_offsets(each, _PATIENCE_S)[1] for each in places]
        while is_endless or any(
            place.offset < end
            for place, end in zip(consumer.committed(places, _PATIENCE_S), ends, strict=True)
        ):
            if any(worker.poll() is not None for worker in workers):
                raise RuntimeError("Quix Streams has given up")
            time.sleep(_LOOK_S)
    finally:
        consumer.close()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def work(bootstrap: str, topic: str, results: str, folder: str, is_endless: bool) -> None:
    """Count what this process is given, until it is told to end."""
    application = Application(
        bootstrap,
        consumer_group=results,
        auto_offset_reset="earliest",
        commit_interval=_FRESH_S if is_endless else _WHOLE_S,
        state_dir=folder,
        consumer_extra_config={
            "session.timeout.ms": _SESSION_MS,
            "heartbeat.interval.ms": _SESSION_MS // 3,
        },
        processing_guarantee="exactly-once",
        loglevel="WARNING",
    )
    views = application.dataframe(application.topic(topic, timestamp_extractor=_at))
    counted = (
        views[views["eventType"] == "PAGE_VIEW"]
        .hopping_window(WINDOW_MS, STEP_MS, _LATE_MS)
        .count()
        .current()
    )
    counted.to_topic(application.topic(results, config=TopicConfig(4, 1)))
    application.run()


def _at(event: Mapping[str, Any], *_: object) -> int:
    return round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [bootstrap, topic, results, folder]:
            main(bootstrap, topic, results, folder)
        case [bootstrap, topic, results, folder, "endless"]:
            main(bootstrap, topic, results, folder, is_endless=True)
        case [bootstrap, topic, results, folder, "fresh" | "whole" as pace]:
            work(bootstrap, topic, results, folder, pace == "fresh")
        case _:
            sys.exit("say BOOTSTRAP TOPIC RESULTS FOLDER, and endless if it is")
