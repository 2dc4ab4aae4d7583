"""A server that speaks MongoDB's wire protocol and keeps its data in memory, for trials and tests.

It is mongo-java-server, since MongoDB itself is in none of the package registries. It knows no
transactions and no sessions, and pymongo talks to it up to version 4.15 only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.servers.jars import java, mongo_jars, needed_module
from deploy.servers.server_process import (
    ServerCommand,
    ServerProcess,
    accepts_connections,
    free_port,
)

DATABASE = "rtcdp"

_MAIN = Path(__file__).parent / "WireServer.java"


class MongoServer:
    """A server on 127.0.0.1. Its data lives as long as its process."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        """Raises `ServerFailed` when the port is taken, `PartMissing` without Java or Maven."""
        self.port = free_port(port)
        self._process = ServerProcess(
            ServerCommand(
                name="the MongoDB wire server",
                command=(
                    java(),
                    *("-Xmx2g", "-cp", f"{mongo_jars()}/*", str(_MAIN), str(self.port)),
                ),
                directory=directory,
                log=directory / "mongodb.log",
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, database: str = DATABASE) -> str:
        """The URL of a database; databases make themselves."""
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def drop_database(self, database: str) -> None:
        """Delete a database and all its collections."""
        with needed_module("pymongo").MongoClient(self.url(database)) as client:
            client.drop_database(database)

    def start(self) -> None:
        """Start it with nothing in it; returns when it answers. Raises `ServerFailed`."""
        self._process.start(lambda: accepts_connections(self.port))

    def check(self) -> None:
        """Raises `ServerFailed`, with its last lines, when it has ended."""
        self._process.check()

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL; what it held is gone."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open, and nothing is answered until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()


@contextmanager
def mongodb(port: int = 0) -> Iterator[MongoServer]:
    """A server that runs until the end of the block; `port` 0 takes a free one.

    Raises `ServerFailed`, and `PartMissing` without Java or Maven.
    """
    with TemporaryDirectory(prefix="rtcdp-mongodb-") as directory:
        server = MongoServer(Path(directory), port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
