"""What was left on servers: in a topic by Kafka Streams, in PostgreSQL by rtcdp and by Spark.

python -m bench.rivals.server_rows topic BOOTSTRAP TOPIC
python -m bench.rivals.server_rows rtcdp|spark DATABASE_URL
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.canonical_pyspark_job import TABLE
from bench.rivals.contestant import Row, tell

_BATCH, _PATIENCE_S = 10_000, 10.0


def of_topic(bootstrap: str, name: str) -> Iterator[Row]:
    """The last count of each key, of committed records alone."""
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
            start, user = message.key().decode().split("\t")
            counts[int(start), user] = int.from_bytes(message.value(), "big")
    consumer.close()
    for (first, user), count in counts.items():
        yield first, user, count


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


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["topic", bootstrap, name]:
            rows = of_topic(bootstrap, name)
        case ["rtcdp", database]:
            rows = of_rtcdp(database)
        case ["spark", database]:
            rows = of_spark(database)
        case _:
            sys.exit("say topic BOOTSTRAP TOPIC, rtcdp DATABASE_URL, or spark DATABASE_URL")
    tell(rows)
