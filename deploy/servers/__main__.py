"""Start real servers from a terminal: `python -m deploy.servers kafka`.

What goes to standard output is what rtcdp is told to use the server; all else goes to standard
error. A server runs until Ctrl-C or SIGTERM.
"""

import signal
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, NoReturn, Protocol, TypeVar

import typer
from rich.text import Text

from deploy.servers import (
    kafka,
    mongodb,
    postgresql,
    schema_registry,
    spark_cluster,
    spark_kafka_jars,
)
from deploy.servers.jars import kafka_jars, mongo_jars
from rtcdp.cli.terminal import complain, remark, say
from rtcdp.errors import RtcdpError

_CHECK_EVERY_S = 0.5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Directory = Annotated[
    Path, typer.Option("--dir", help="The folder for data and logs; started again, it goes on.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Spark's workers.")]
Topic = Annotated[str, typer.Option("--topic", help="The topic in the URL; rtcdp makes it.")]
Database = Annotated[str, typer.Option("--database", help="The database in the URL.")]

DATA = Path("rtcdp-servers")
"""Not in the folder of rtcdp, which is for nobody else: PostgreSQL runs as a user of its own."""
TOPIC = "raw_customer_events"
DATABASE = "rtcdp"


class Server(Protocol):
    """What is asked of a server while it runs."""

    def check(self) -> None:
        """Raises `ServerFailed` when it has ended."""


S = TypeVar("S", bound=Server)


class Interrupted(Exception):
    """Ctrl-C, or another signal to stop."""


class Foreground:
    """Servers that run until a signal to stop, and are stopped in the reverse order of their start.

    A second signal ends this process at once, and with it all servers.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._servers: list[Server] = []

    def __enter__(self) -> "Foreground":
        for number in _STOP_SIGNALS:
            signal.signal(number, _interrupt)
        return self

    def start(self, name: str, server: AbstractContextManager[S]) -> S:
        """Start one and return it when it answers. Raises `ServerFailed` and `PartMissing`."""
        remark(Text(f"{name} is starting", "dim"))
        self._servers.append(started := self._stack.enter_context(server))
        return started

    def wait(self) -> None:
        """Wait for the signal. Raises `ServerFailed` when a server ends before."""
        remark(Text("Running. Ctrl-C stops it.", "bold green"))
        while True:
            for server in self._servers:
                server.check()
            time.sleep(_CHECK_EVERY_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        remark(Text("Stopping", "dim"))
        self._stack.close()
        return isinstance(error, Interrupted)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted


app = typer.Typer(
    help="Real servers on this machine for rtcdp, without Docker. Each runs until Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("fetch")
def fetch() -> None:
    """Fetch the jars of all servers, so that they start without the network."""
    for fetched in (kafka_jars, mongo_jars, spark_kafka_jars):
        fetched()


@app.command("kafka")
def run_kafka(
    port: Port = 9092, directory: Directory = DATA / "kafka", topic: Topic = TOPIC
) -> None:
    """Run Apache Kafka: one broker, which keeps its data."""
    with Foreground() as servers:
        broker = servers.start("Apache Kafka", kafka(directory, port))
        say(f"--log {broker.url(topic)}")
        servers.wait()


@app.command("postgresql")
def run_postgresql(
    port: Port = 5432, directory: Directory = DATA / "postgresql", database: Database = DATABASE
) -> None:
    """Run PostgreSQL, which keeps its data."""
    with Foreground() as servers:
        server = servers.start("PostgreSQL", postgresql(directory, port))
        say(f"--store {server.url(database)}")
        servers.wait()


@app.command("mongodb")
def run_mongodb(port: Port = 27017, database: Database = DATABASE) -> None:
    """Run a server that speaks MongoDB's wire protocol. It forgets its data when it ends."""
    with Foreground() as servers:
        server = servers.start("The MongoDB wire server", mongodb(port))
        say(f"--store {server.url(database)}")
        servers.wait()


@app.command("schemas")
def run_schemas(port: Port = 8085) -> None:
    """Run a schema registry. It forgets its schemas when it ends."""
    with Foreground() as servers:
        registry = servers.start("The schema registry", schema_registry(port))
        say(f"RTCDP_KAFKA_SCHEMA_REGISTRY={registry.url}")
        servers.wait()


@app.command("spark")
def run_spark(
    port: Port = 7077, directory: Directory = DATA / "spark", workers: Workers = 2
) -> None:
    """Run a standalone Spark cluster: a master and its workers."""
    with Foreground() as servers:
        cluster = servers.start("Spark", spark_cluster(directory, workers, port))
        say(f"RTCDP_SPARK_MASTER={cluster.master}", f"RTCDP_SPARK_JARS={_jars()}")
        servers.wait()


@app.command("jars")
def show_jars() -> None:
    """Show the jars that let Spark read Kafka, with commas: a value of RTCDP_SPARK_JARS."""
    say(_jars())


@app.command("all")
def run_all(directory: Directory = DATA, workers: Workers = 2) -> None:
    """Run Kafka, PostgreSQL, the MongoDB wire server and Spark on their usual ports."""
    with Foreground() as servers:
        broker = servers.start("Apache Kafka", kafka(directory / "kafka", 9092))
        say(f"--log {broker.url(TOPIC)}")
        database = servers.start("PostgreSQL", postgresql(directory / "postgresql", 5432))
        say(f"--store {database.url(DATABASE)}")
        documents = servers.start("The MongoDB wire server", mongodb(27017))
        say(f"--store {documents.url(DATABASE)}")
        cluster = servers.start("Spark", spark_cluster(directory / "spark", workers, 7077))
        say(f"RTCDP_SPARK_MASTER={cluster.master}", f"RTCDP_SPARK_JARS={_jars()}")
        servers.wait()


def _jars() -> str:
    return ",".join(map(str, spark_kafka_jars()))


def main() -> int:
    """Run the command line; the exit code, which is that of the command `rtcdp`."""
    try:
        app(prog_name="python -m deploy.servers")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except RtcdpError as error:
        complain(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
