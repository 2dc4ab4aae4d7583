"""`/health/ready` means it: within two seconds it tells of what keeps events from being taken or
counted, and of its end; and what was acknowledged meanwhile is counted.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.servers import kafka, postgresql
from deploy.servers.server_process import free_port
from tests.asked import NO_CERTIFICATES
from tests.chaos.edge.attacked import HealthyClient, Platform, eventually, is_ready, platform

NOTICED_S = 2.0
SPARK_S = 600.0
"""How long Spark may take to start and to catch up."""
WIDE_S = 20.0
"""A test waits so long to find out by how much it missed `NOTICED_S`."""

TRIES = 3
"""What is slow in the code is so each time; what is slow in a busy machine is not."""


def parts_of(running):
    answer = httpx.get(
        f"{running.url}/health/ready", trust_env=False, timeout=WIDE_S, verify=NO_CERTIFICATES
    )
    return answer.status_code, answer.json()["parts"]


def noticed_after(running):
    """How long it takes until `/health/ready` says no, and what it says then."""
    began = time.monotonic()
    while time.monotonic() - began < WIDE_S:
        status, parts = parts_of(running)
        if status == 503:
            return time.monotonic() - began, parts
        time.sleep(0.05)
    return time.monotonic() - began, parts


@contextmanager
def sending(running):
    client = HealthyClient(running.port, user="ada", batch=5, per_s=20)
    client.start()
    try:
        eventually(lambda: len(client.latencies_s) > 20, "the client is under way")
        yield client
    finally:
        client.stop()


@pytest.fixture(scope="module")
def servers():
    """A Kafka and a PostgreSQL of this module's own, which may be stopped."""
    with tempfile.TemporaryDirectory(prefix="rtcdp-ready-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with kafka(folder / "kafka") as broker, postgresql(folder / "postgresql") as database:
            yield {"kafka": broker, "postgresql": database}


@pytest.mark.parametrize("stopped", ["kafka", "postgresql"])
def test_a_server_that_stands_still_is_told_within_two_seconds(servers, stopped, tmp_path) -> None:
    broker, database = servers["kafka"], servers["postgresql"]
    log = broker.url(broker.create_topic(f"ready_{stopped}", partitions=2))
    store = database.url(f"ready_{stopped}")
    with (
        platform(tmp_path / "data", "--log", log, "--store", store) as running,
        sending(running),
    ):
        for _ in range(TRIES):
            servers[stopped].pause()
            try:
                seconds, parts = noticed_after(running)
            finally:
                servers[stopped].resume()
            eventually(lambda: is_ready(running), "it is ready again")
            if seconds <= NOTICED_S:
                break
        assert seconds <= NOTICED_S, (seconds, parts)


@contextmanager
def command(tmp_path, *words):
    """Another process of the installation that is kept in `tmp_path`."""
    with (tmp_path / "commands.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rtcdp", *words, "--data-dir", str(tmp_path / "data")],
            stdout=output,
            stderr=output,
            # Folds would only make Spark's batches longer.
            env={**os.environ, "RTCDP_ENGINE": "spark", "RTCDP_FOLDS": "none"},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_spark_that_was_killed_is_told_within_two_seconds(servers, spark_jars, tmp_path) -> None:
    broker = servers["kafka"]
    log = ("--log", broker.url(broker.create_topic("ready_spark")))
    flags = ("--master", "local[2]", "--jars", ",".join(map(str, spark_jars)))
    ports = free_port(), free_port()
    with ExitStack() as stack:
        spark = stack.enter_context(command(tmp_path, "process", *log, *flags))
        stack.enter_context(command(tmp_path, "collect", *log, "--port", str(ports[0])))
        answers = stack.enter_context(command(tmp_path, "serve", *log, "--port", str(ports[1])))
        running = Platform(tmp_path / "data", ports[1], answers)
        eventually(lambda: is_ready(running), "it answers")
        collector = Platform(tmp_path / "data", ports[0], answers)
        stack.enter_context(sending(collector))
        eventually(lambda: running.received() > 200, "Spark counts", SPARK_S)
        eventually(lambda: is_ready(running), "it has caught up", SPARK_S)
        spark.kill()
        spark.wait()
        seconds, parts = noticed_after(running)
        assert seconds <= NOTICED_S, (seconds, parts)
        assert "no processor works" in parts["lag"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, unmount = shutil.which("mount") or "", shutil.which("umount") or ""
    made = [mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    mounted = subprocess.run(made, check=False, capture_output=True, text=True)
    assert mounted.returncode == 0, f"this needs the right to mount: {mounted.stderr}"
    yield place
    subprocess.run([unmount, "--lazy", str(place)], check=True)


def fill(path) -> None:
    """Write until there is no room for another byte."""
    piece = b"x" * 2**20
    with path.open("wb", buffering=0) as file:
        while piece:
            try:
                file.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]


def test_a_full_disk_is_told_within_two_seconds_and_loses_nothing(small_disk) -> None:
    with platform(small_disk / "data") as running:
        with sending(running) as client:
            for _ in range(TRIES):
                fill(small_disk / "other")
                seconds, parts = noticed_after(running)
                if seconds <= NOTICED_S:
                    break
                (small_disk / "other").unlink()
                eventually(lambda: is_ready(running), "it is ready again")
            assert seconds <= NOTICED_S, (seconds, parts)
            assert "is full" in parts["disk"]
            eventually(lambda: client.refusals, "a request is refused")
            alive = httpx.get(f"{running.url}/health/live", trust_env=False, timeout=WIDE_S)
            assert alive.status_code == 200
            (small_disk / "other").unlink()
            eventually(lambda: is_ready(running), "it is ready again")
            sent = client.sent
            eventually(lambda: client.sent > sent, "events are taken again")
        assert set(client.refusals) == {"503"}
        eventually(lambda: client.counted(running) == client.sent, "what was taken is counted")
