"""One Apache Kafka broker, which is its own controller."""

import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from deploy.servers.jars import java, kafka_jars, needed_module
from deploy.servers.server_process import (
    ServerCommand,
    ServerFailed,
    ServerProcess,
    accepts_connections,
    free_port,
)

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient, ClusterMetadata

TOPIC = "raw_customer_events"
"""The topic that rtcdp reads when it is told no other."""

_HEAP = ("-Xms512m", "-Xmx1g")
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
log.retention.ms=-1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
_LOGGING = """\
status=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
"""


class KafkaServer:
    """A broker on 127.0.0.1 with its data in `directory`. Topics are not made by themselves."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        """Raises `ServerFailed` when the port is taken, `PartMissing` without Java or Maven."""
        self._directory = directory.absolute()
        self._directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        self._controller_port = free_port()
        self._java = (java(), "-cp", f"{kafka_jars()}/*")
        self._settings = self._directory / "server.properties"
        self._logging = self._directory / "log4j2.properties"
        self._process = ServerProcess(
            ServerCommand(
                name="Apache Kafka",
                command=(
                    *self._java,
                    *_HEAP,
                    f"-Dlog4j2.configurationFile={self._logging}",
                    "kafka.Kafka",
                    str(self._settings),
                ),
                directory=self._directory,
                log=self._directory / "kafka.log",
            )
        )

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, topic: str = TOPIC) -> str:
        return f"kafka://{self.bootstrap}/{topic}"

    def start(self) -> None:
        """Start it, on the same port and data as before; returns when it answers for its topics.

        Raises `ServerFailed`.
        """
        self._prepare()
        self._process.start(self._answers)

    def check(self) -> None:
        """Raises `ServerFailed`, with its last lines, when it has ended."""
        self._process.check()

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL. What it acknowledged is there after the next `start`."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open, and nothing is answered until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def create_topic(self, topic: str = TOPIC, partitions: int = 1, **config: str) -> str:
        """Make a topic unless it is there; its name. `config` is of Kafka's, with `_` for `.`.

        Clients can use it at once. Raises `ServerFailed` when the broker refuses it.
        """
        admin = needed_module("confluent_kafka.admin")
        kafka_error = needed_module("confluent_kafka").KafkaError
        settings = {name.replace("_", "."): value for name, value in config.items()}
        new = admin.NewTopic(topic, partitions, 1, config=settings)
        client = self._admin()
        error = client.create_topics([new], operation_timeout=30)[topic].exception(60)
        if error is not None and error.args[0].code() != kafka_error.TOPIC_ALREADY_EXISTS:
            raise ServerFailed(f"the topic {topic} can't be made: {error}", "choose another name")
        self._process.wait_until(lambda: _is_led(client.list_topics(topic, timeout=10), topic))
        return topic

    def delete_topic(self, topic: str) -> None:
        """Delete a topic and all its records. Raises the client's error when it is not there."""
        client = self._admin()
        client.delete_topics([topic], operation_timeout=30)[topic].result(60)

    def _prepare(self) -> None:
        data = self._directory / "data"
        self._logging.write_text(_LOGGING)
        self._settings.write_text(
            _SETTINGS.format(port=self.port, controller_port=self._controller_port, data=data)
        )
        if (data / "meta.properties").exists():
            return
        # It runs for a moment only: the compiler that starts quickly is enough.
        tool = (
            *self._java,
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._logging}",
        )
        # One that begins with a dash would be taken for an option.
        cluster_id = "A" + urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")[1:]
        done = subprocess.run(
            (*tool, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", self._settings),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise ServerFailed(
                f"Kafka's storage can't be made:\n{done.stdout}{done.stderr}",
                f"see whether {self._directory} can be written to",
            )

    def _admin(self) -> "AdminClient":
        # What it says about a broker that is starting is no news to anybody.
        settings = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        client: AdminClient = needed_module("confluent_kafka.admin").AdminClient(settings)
        return client

    def _answers(self) -> bool:
        if not accepts_connections(self.port):
            return False
        kafka_exception = needed_module("confluent_kafka").KafkaException
        try:
            return bool(self._admin().list_topics(timeout=5).brokers)
        except kafka_exception:
            return False


def _is_led(cluster: "ClusterMetadata", topic: str) -> bool:
    """Whether the broker knows the topic and leads all its partitions."""
    partitions = cluster.topics[topic].partitions.values()
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions)


@contextmanager
def kafka(directory: Path, port: int = 0) -> Iterator[KafkaServer]:
    """A running broker with its data in `directory`, on a free port unless one is named.

    Raises `ServerFailed`, and `PartMissing` when Java, Maven or the extra `kafka` is absent.
    """
    server = KafkaServer(directory, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
