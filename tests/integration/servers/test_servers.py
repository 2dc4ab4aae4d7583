"""Each server starts, answers its own client, keeps what it promises, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong

import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from deploy.servers import ServerFailed, kafka, mongodb, postgresql, spark_cluster
from tests.integration.servers.processes import processes_in, wait_until

LIVES_ON = """
import sys, time
from pathlib import Path
from deploy.servers import kafka, mongodb, postgresql, spark_cluster
directory = Path(sys.argv[1])
with {server}:
    print("ready", flush=True)
    time.sleep(600)
"""


def produce(url: str, *values: bytes) -> None:
    """Put records into a topic; returns when the broker has acknowledged all."""
    bootstrap, _, topic = url.removeprefix("kafka://").partition("/")
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def consume(url: str, count: int) -> list[bytes]:
    """The first `count` records of a topic."""
    bootstrap, _, topic = url.removeprefix("kafka://").partition("/")
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        return [record.value() for record in consumer.consume(count, timeout=60)]
    finally:
        consumer.close()


def test_kafka_takes_records_and_gives_them_back(kafka_url):
    produce(kafka_url, b"one", b"two")
    assert consume(kafka_url, 2) == [b"one", b"two"]


def test_a_topic_has_the_partitions_and_the_settings_it_was_made_with(kafka_server, new_topic):
    topic = new_topic(3, retention_ms="1000")
    listed = AdminClient({"bootstrap.servers": kafka_server.bootstrap}).list_topics(topic)
    assert len(listed.topics[topic].partitions) == 3
    assert kafka_server.create_topic(topic) == topic, "one that is there stays as it is"


def test_kafka_makes_no_topic_that_nobody_asked_for(kafka_server):
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    with pytest.raises(ServerFailed, match="can't be made"):
        kafka_server.create_topic("not a name")
    listed = admin.list_topics("never-made", timeout=30)
    assert listed.topics["never-made"].error is not None


def test_what_kafka_acknowledged_is_there_after_kill_nine(server_directory):
    with kafka(server_directory) as broker:
        url = broker.url(broker.create_topic("kept"))
        produce(url, b"one")
        broker.kill()
        assert processes_in(server_directory) == []
        broker.start()
        assert broker.url("kept") == url
        produce(url, b"two")
        assert consume(url, 2) == [b"one", b"two"]
    with kafka(server_directory) as elsewhere:
        assert elsewhere.url("kept") != url
        assert consume(elsewhere.url("kept"), 2) == [b"one", b"two"]


def test_each_test_has_a_database_of_its_own(postgres_url, postgres_server):
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)
    odd = 'a "name" / 50%'
    with psycopg.connect(postgres_server.url(odd)) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (odd,)
    postgres_server.drop_database(odd)


def test_what_postgresql_committed_is_there_after_kill_nine(server_directory):
    with postgresql(server_directory) as server:
        url = server.url("kept")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        with psycopg.connect(url, autocommit=True) as open_one:
            server.kill()
            assert processes_in(server_directory) == []
            with pytest.raises(psycopg.OperationalError):
                open_one.execute("SELECT 1")
        server.start()
        assert server.url("kept") == url
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_postgresql_stops_though_a_client_is_connected(server_directory):
    with postgresql(server_directory) as server:
        idle = psycopg.connect(server.url())
    assert processes_in(server_directory) == []
    idle.close()


def test_the_mongodb_wire_server_forgets_when_it_ends():
    with mongodb() as server:
        url = server.url("lost")
        with MongoClient(url) as client:
            client.lost.things.insert_one({"_id": 1})
            assert client.lost.things.count_documents({}) == 1
        server.kill()
        server.start()
        with MongoClient(url) as client:
            assert client.lost.things.count_documents({}) == 0


def test_a_server_that_is_paused_answers_when_it_goes_on(mongo_server):
    def ping() -> object:
        with MongoClient(mongo_server.url(), serverSelectionTimeoutMS=60_000) as client:
            return client.admin.command("ping")["ok"]

    with ThreadPoolExecutor() as pool:
        mongo_server.pause()
        try:
            answer: Future[object] = pool.submit(ping)
            with pytest.raises(TookTooLong):
                answer.result(timeout=0.5)
        finally:
            mongo_server.resume()
        assert answer.result(timeout=60) == 1.0


def test_a_worker_of_the_cluster_that_was_killed_comes_back(server_directory):
    with spark_cluster(server_directory, workers=2) as cluster:
        cluster.check()
        cluster.kill_worker(1)
        with pytest.raises(ServerFailed, match="worker 1 has ended"):
            cluster.check()
        cluster.start()
        cluster.check()
    assert processes_in(server_directory) == []


def test_the_connector_is_four_jars(spark_jars):
    assert [re.split(r"(_2\.13)?-[0-9.]+\.jar", path.name)[0] for path in spark_jars] == [
        "commons-pool2",
        "kafka-clients",
        "spark-sql-kafka-0-10",
        "spark-token-provider-kafka-0-10",
    ]


def test_a_port_that_is_taken_is_named(kafka_server, server_directory):
    with (
        pytest.raises(ServerFailed, match=f"port {kafka_server.port} of 127.0.0.1 is taken"),
        postgresql(server_directory, kafka_server.port),
    ):
        raise AssertionError("it started")


@pytest.mark.parametrize(
    "server",
    [
        "kafka(directory)",
        "postgresql(directory)",
        "mongodb()",
        "spark_cluster(directory, workers=1)",
    ],
)
def test_nothing_outlives_the_one_who_started_it(server, server_directory):
    starter = subprocess.Popen(
        [sys.executable, "-c", LIVES_ON.format(server=server), str(server_directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(server_directory)},
    )
    with starter:
        try:
            assert starter.stdout is not None
            assert starter.stdout.readline() == "ready\n"
            assert processes_in(server_directory) != []
        finally:
            starter.send_signal(signal.SIGKILL)
    wait_until(lambda: processes_in(server_directory) == [], "something of it lives on")
