"""Real servers to measure on: topics to read, databases to fill, and what reads and fills them."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from bench.servers import BATCH_OFFSETS
from deploy.servers import kafka, mongodb, postgresql, spark_kafka_jars

ROOT = Path(__file__).resolve().parent.parent
JOB = ROOT / "bench" / "canonical_pyspark_job.py"

Runner = Callable[..., dict[str, float]]
"""Runs a module of this package with arguments, and gives what it prints."""


class Servers:
    """A Kafka broker, a PostgreSQL server, and one that speaks as MongoDB does and keeps all in
    memory; a context manager."""

    def __init__(self, run: Runner, batch_offsets: int = BATCH_OFFSETS) -> None:
        """Spark takes `batch_offsets` records at a time."""
        self._run = run
        self._batch_offsets = str(batch_offsets)
        self._stack = ExitStack()
        self._numbers = count(1)

    def __enter__(self) -> "Servers":
        directory = Path(self._stack.enter_context(TemporaryDirectory(prefix="rtcdp-bench-")))
        directory.chmod(0o755)
        self._kafka = self._stack.enter_context(kafka(directory / "kafka"))
        self._postgresql = self._stack.enter_context(postgresql(directory / "postgresql"))
        self._mongodb = self._stack.enter_context(mongodb())
        self._jars = ",".join(map(str, spark_kafka_jars()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def topic(self, events: int, *, with_ids: bool) -> str:
        """A new topic with generated events; its name."""
        name = f"events-{next(self._numbers)}"
        flags = [] if with_ids else ["--without-ids"]
        url = self._kafka.url(name)
        self._run("bench.servers", "build", url, "--events", str(events), *flags)
        return name

    def ours(self, topic: str, engine: str, metrics: str, *, in_mongodb: bool = False) -> float:
        """Events/s of our engine from this topic into a new database, of PostgreSQL unless it is
        said; Spark's without its first batch, which is cold."""
        databases = self._mongodb if in_mongodb else self._postgresql
        url, store = self._kafka.url(topic), databases.url(f"bench_{next(self._numbers)}")
        flags = ["--engine", engine, "--metrics", metrics, "--jars", self._jars]
        flags += ["--batch-offsets", self._batch_offsets]
        found = self._run("bench.servers", "run", url, store, *flags)
        return found["warm_events_per_s" if engine == "spark" else "events_per_s"]

    def by_hand(self, topic: str, metric: str) -> float:
        """Events/s of the job that is written by hand, without its first batch."""
        store = self._postgresql.url(f"bench_{next(self._numbers)}")
        command = [sys.executable, str(JOB), "--bootstrap", self._kafka.bootstrap]
        command += ["--topic", topic, "--jars", self._jars, "--sink", store, "--metric", metric]
        command += ["--max-offsets", self._batch_offsets]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        batches = json.loads(done.stdout.splitlines()[-1])["batches"][1:]
        return float(sum(each[0] for each in batches) / sum(each[1] for each in batches))
