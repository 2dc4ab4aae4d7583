"""The README's pipeline runs as it is typed: generator, Kafka, Spark, store, API.

Only the ports are others, and the Kafka connector's jars are those that are here already.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.servers import KafkaServer
from tests.asked import NO_CERTIFICATES
from tests.scale import IS_CHAOS
from tests.servers import unused_name

ROOT = Path(__file__).parents[2]
PIPELINE = re.findall(
    r"^```sh\n(rtcdp generate --to kafka.*?)^```",
    (ROOT / "README.md").read_text(),
    re.MULTILINE | re.DOTALL,
)[0]
GENERATE, PROCESS, SERVE, ASK = PIPELINE.replace("\\\n", "").splitlines()
MONGODB = "mongodb://127.0.0.1:27017/rtcdp"
DEADLINE_S = 400


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """The server's own URL, in place of the README's."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: str, directory: Path, jars: str) -> Iterator[None]:
    """A command line of the README in a process of its own, until the end of the block."""
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = {**os.environ, "RTCDP_SPARK_JARS": jars}
    output = directory / f"{words[3]}.txt"
    with output.open("ab") as out:
        process = subprocess.Popen(
            words,
            cwd=directory,
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        yield
        assert process.poll() is None, output.read_text()[-3000:]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(180)


PAIRS = [("spark", "mongo_url"), ("native", "postgres_url")]
MORE_PAIRS = [("spark", "postgres_url"), ("native", "mongo_url")] if IS_CHAOS else []


@pytest.mark.parametrize(("engine", "store_url"), PAIRS + MORE_PAIRS, indirect=["store_url"])
def test_page_views_come_out_of_it(
    engine: str, store_url: str, port: int, spark_jars, own_topic: str, tmp_path: Path
) -> None:
    def as_here(line: str) -> str:
        line = line.replace(MONGODB, store_url).replace("localhost:8081", f"localhost:{port}")
        line = line.replace("127.0.0.1:9092/raw_customer_events", own_topic)
        return line if engine == "spark" else re.sub(r"--engine spark --master \S+", "", line)

    jars = ",".join(map(str, spark_jars))
    user = ASK.rsplit("localhost:8081", 1)[1]
    recent = "/api/analytics/recent-page-views?minutes=5"
    with (
        running(as_here(GENERATE), tmp_path, jars),
        running(as_here(PROCESS), tmp_path, jars),
        running(f"{as_here(SERVE)} --port {port}", tmp_path, jars),
    ):
        for path in (user, recent):
            answer = wait_for_rows(f"http://127.0.0.1:{port}{path}")
            assert {"userId", "window_start", "window_end", "page_view_count"} == set(answer[0])


@pytest.fixture
def own_topic(kafka_server: KafkaServer) -> str:
    """A topic that is not there yet, as it stands in a URL."""
    return f"{kafka_server.bootstrap}/{unused_name('readme')}"


def wait_for_rows(url: str) -> list[dict[str, object]]:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, ValueError):
            answer = httpx.get(url, timeout=10, verify=NO_CERTIFICATES)
            if answer.status_code == 200 and answer.json():
                rows: list[dict[str, object]] = answer.json()
                return rows
        time.sleep(0.2)
    raise AssertionError(f"{url} had no rows after {DEADLINE_S} s")
