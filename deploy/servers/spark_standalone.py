"""A standalone Spark cluster from the installed pyspark: one master and its workers."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from deploy.servers.jars import java, needed_module
from deploy.servers.server_process import ServerCommand, ServerProcess, free_port

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"

_direct = build_opener(ProxyHandler({}))


class SparkCluster:
    """A master on 127.0.0.1 and its workers, which run executors with this Python.

    The cores of this machine are shared out among the workers, each of which gets one at least.
    """

    def __init__(self, directory: Path, workers: int = 2, port: int = 0) -> None:
        """Raises `ServerFailed` when the port is taken, `PartMissing` without Java or pyspark."""
        java()
        self._home = Path(needed_module("pyspark").__path__[0])
        self._directory = directory.absolute()
        self._directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        self._page = free_port()
        self._master = self._process(
            "Spark's master", _MASTER, "--port", str(self.port), "--webui-port", str(self._page)
        )
        cores = max(1, (os.cpu_count() or 1) // workers)
        self._workers = [self._worker(number, cores) for number in range(1, workers + 1)]

    @property
    def master(self) -> str:
        """What goes into `spark.master`."""
        return f"spark://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start what is not running; returns when the master knows all workers.

        Raises `ServerFailed`.
        """
        self._master.start(lambda: self._known_workers() is not None)
        for worker in self._workers:
            if not worker.running:
                worker.launch()
        for worker in self._workers:
            worker.wait_until(lambda: self._known_workers() == len(self._workers))

    def check(self) -> None:
        """Raises `ServerFailed`, with the last lines, when one of its processes has ended."""
        for process in (self._master, *self._workers):
            process.check()

    def stop(self) -> None:
        for process in (*self._workers, self._master):
            process.stop()

    def kill_worker(self, number: int) -> None:
        """Kill a worker, from 1 on, and its executors with SIGKILL; returns when the master has
        noticed. `start` brings it back."""
        self._workers[number - 1].kill()
        living = sum(worker.running for worker in self._workers)
        self._master.wait_until(lambda: self._known_workers() == living)

    def _worker(self, number: int, cores: int) -> ServerProcess:
        folder = self._directory / f"worker-{number}"
        options = {"cores": cores, "memory": "1g", "webui-port": 0, "work-dir": folder}
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return self._process(f"Spark's worker {number}", _WORKER, *flags, self.master)

    def _process(self, name: str, main_class: str, *arguments: str) -> ServerProcess:
        start = str(self._home / "bin" / "spark-class")
        return ServerProcess(
            ServerCommand(
                name=name,
                command=(start, main_class, "--host", "127.0.0.1", *arguments),
                directory=self._directory,
                log=self._directory / f"{name.split(maxsplit=1)[1].replace(' ', '-')}.log",
                environment={
                    "SPARK_HOME": str(self._home),
                    "SPARK_LOCAL_IP": "127.0.0.1",
                    # Executors look for python3 there when a session names no Python.
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                },
            )
        )

    def _known_workers(self) -> int | None:
        """How many living workers the master knows; None while it does not answer."""
        try:
            with _direct.open(f"http://127.0.0.1:{self._page}/json/", timeout=5) as answer:
                return int(json.load(answer)["aliveworkers"])
        except (URLError, OSError, JSONDecodeError):  # the page is up a moment before its answers
            return None


@contextmanager
def spark_cluster(directory: Path, workers: int = 2, port: int = 0) -> Iterator[SparkCluster]:
    """A running cluster with its logs and work folders in `directory`.

    Raises `ServerFailed`, and `PartMissing` when Java or the extra `spark` is absent.
    """
    cluster = SparkCluster(directory, workers, port)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
