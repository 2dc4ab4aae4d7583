"""What was left on servers: in a topic by Kafka Streams and Quix Streams, in PostgreSQL by others.

python -m bench.rivals.server_rows streams|quix BOOTSTRAP TOPIC
python -m bench.rivals.server_rows rtcdp|flink|spark DATABASE_URL
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.canonical_pyspark_job import TABLE
from bench.rivals.contestant import Row, tell

_BATCH, _PATIENCE_S = 10_000, 10.0


def of_topic(bootstrap: str, name: str, read: Callable[[bytes, bytes], Row]) -> Iterator[Row]:
    """The last count of each window and user that records say, of committed ones alone."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "rows",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(name, _PATIENCE_S).topics[name].partitions
    consumer.assign([TopicPartition(name, each, OFFSET_BEGINNING) for each in partitions])
    counts: dict[tuple[int, str], int] = {}
    ended: set[int] = set()
    while len(ended) < len(partitions):
        for message in consumer.consume(_BATCH, _PATIENCE_S):
            if message.error():
                ended.add(message.partition())
                continue
            start, user, count = read(message.key(), message.value())
            counts[start, user] = count
    consumer.close()
    for (first, user), count in counts.items():
        yield first, user, count


def from_streams(key: bytes, value: bytes) -> Row:
    start, user = key.decode().split("\t")
    return int(start), user, int.from_bytes(value, "big")


def from_quix(key: bytes, value: bytes) -> Row:
    told = json.loads(value)
    return told["start"], key.decode(), told["value"]


def of_rtcdp(database: str) -> Iterator[Row]:
    query = "SELECT window_start, user_id, page_view_count FROM analytics.user_page_view_counts"
    with psycopg.connect(database) as connection:
        for start, user, count in connection.execute(query):
            yield _ms(start), user, count


def of_spark(database: str) -> Iterator[Row]:
    with psycopg.connect(database) as connection:
        query = f"SELECT key, window_start, value FROM {TABLE}"
        for user, start, value in connection.execute(query):
            yield _ms(start), user, json.loads(value)["v0"]


def of_flink(database: str) -> Iterator[Row]:
    with psycopg.connect(database) as connection:
        yield from connection.execute("SELECT window_start, user_id, view_count FROM by_flink")


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["streams", bootstrap, name]:
            rows = of_topic(bootstrap, name, from_streams)
        case ["quix", bootstrap, name]:
            rows = of_topic(bootstrap, name, from_quix)
        case ["rtcdp", database]:
            rows = of_rtcdp(database)
        case ["spark", database]:
            rows = of_spark(database)
        case ["flink", database]:
            rows = of_flink(database)
        case _:
            sys.exit("say streams|quix BOOTSTRAP TOPIC, or rtcdp|flink|spark DATABASE_URL")
    tell(rows)
