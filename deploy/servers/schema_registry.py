"""A schema registry that answers as Confluent's does: Apicurio, with its schemas in memory."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from deploy.servers.jars import java, schema_registry_archive
from deploy.servers.server_process import ServerCommand, ServerProcess, free_port

_ANSWER_S = 2


class SchemaRegistry:
    """A registry on 127.0.0.1. Its schemas live as long as its process."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        """Raises `ServerFailed` when the port is taken, `PartMissing` without Java or Maven."""
        self.port = free_port(port)
        with tarfile.open(schema_registry_archive()) as archive:
            archive.extractall(directory, filter="data")
        (runner,) = directory.glob("*-runner.jar")
        self._process = ServerProcess(
            ServerCommand(
                name="the schema registry",
                command=(
                    *(java(), "-Xmx400m", "-Dquarkus.http.host=127.0.0.1"),
                    *(f"-Dquarkus.http.port={self.port}", "-jar", str(runner)),
                ),
                directory=directory,
                log=directory / "registry.log",
            )
        )

    @property
    def url(self) -> str:
        """Where clients of Confluent's registry find it."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it with nothing in it; returns when it answers. Raises `ServerFailed`."""
        self._process.start(self._answers)

    def check(self) -> None:
        """Raises `ServerFailed`, with its last lines, when it has ended."""
        self._process.check()

    def stop(self) -> None:
        self._process.stop()

    def pause(self) -> None:
        """Freeze it: connections stay open, and nothing is answered until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/subjects", timeout=_ANSWER_S) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@contextmanager
def schema_registry(port: int = 0) -> Iterator[SchemaRegistry]:
    """A registry that runs until the end of the block; `port` 0 takes a free one.

    Raises `ServerFailed`, and `PartMissing` without Java or Maven.
    """
    with TemporaryDirectory(prefix="rtcdp-registry-") as directory:
        server = SchemaRegistry(Path(directory), port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
