"""Real servers for tests. Each starts when the first test asks for it, and serves the whole run.

A test that works on its own topic or database disturbs no other: `kafka_url`, `postgres_url` and
`mongo_url` are such ones. A test that kills, pauses or fills a server starts one of its own in
`server_directory`.
"""

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from deploy.servers import (
    KafkaServer,
    MongoServer,
    PostgresServer,
    SparkCluster,
    kafka,
    mongodb,
    postgresql,
    spark_kafka_jars,
)
from deploy.servers import (
    spark_cluster as running_spark_cluster,
)

_numbers = count(1)


def unused_name(prefix: str = "test") -> str:
    """A name for a topic or a database that no other test of this run has."""
    return f"{prefix}_{next(_numbers)}"


@pytest.fixture
def server_directory() -> Iterator[Path]:
    """A folder for servers of one test. PostgreSQL's user can enter it, unlike `tmp_path`."""
    with _directory() as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    with _directory() as directory, kafka(Path(directory)) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with _directory() as directory, postgresql(Path(directory)) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    with mongodb() as server:
        yield server


@pytest.fixture(scope="session")
def spark_jars() -> tuple[Path, ...]:
    """The jars that make Spark read Kafka."""
    return spark_kafka_jars()


@pytest.fixture(scope="session")
def spark_cluster() -> Iterator[SparkCluster]:
    """A master and two workers."""
    with _directory() as directory, running_spark_cluster(Path(directory), workers=2) as cluster:
        yield cluster


@pytest.fixture
def new_topic(kafka_server: KafkaServer) -> Iterator[Callable[..., str]]:
    """Makes topics of this test's own: (partitions=1, **config) -> name."""
    made = []

    def make(partitions: int = 1, **config: str) -> str:
        made.append(kafka_server.create_topic(unused_name("topic"), partitions, **config))
        return made[-1]

    yield make
    for topic in made:
        kafka_server.delete_topic(topic)


@pytest.fixture
def kafka_url(kafka_server: KafkaServer, new_topic: Callable[..., str]) -> str:
    """The URL of an empty topic with one partition."""
    return kafka_server.url(new_topic())


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    database = unused_name()
    yield postgres_server.url(database)
    postgres_server.drop_database(database)


@pytest.fixture
def postgres_schema_url(postgres_server: PostgresServer) -> str:
    """The URL of a schema that isn't there yet, in a database that others use, too. It is had much
    faster than a database of one's own."""
    return f"{postgres_server.url('shared')}?schema={unused_name()}"


@pytest.fixture
def mongo_url(mongo_server: MongoServer) -> Iterator[str]:
    """The URL of an empty database."""
    database = unused_name()
    yield mongo_server.url(database)
    mongo_server.drop_database(database)


def _directory() -> "tempfile.TemporaryDirectory[str]":
    directory = tempfile.TemporaryDirectory(prefix="rtcdp-servers-")
    Path(directory.name).chmod(0o755)
    return directory
