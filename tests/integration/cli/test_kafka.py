"""Commands on a topic that is not there yet, and on a broker that goes away."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.servers import KafkaServer, kafka
from rtcdp.log.contract import LogExtent
from rtcdp.log.kafka import KafkaLogReader, parse_topic
from tests.integration.cli.conftest import PATIENCE_S
from tests.servers import unused_name


@pytest.fixture
def missing(kafka_server: KafkaServer) -> Iterator[str]:
    """The URL of a topic that is not there."""
    name = unused_name("missing")
    yield kafka_server.url(name)
    kafka_server.delete_topic(name)


def extents_of(url: str) -> list[LogExtent]:
    with closing(KafkaLogReader(parse_topic(url))) as reader:
        return [reader.extent(partition) for partition in reader.partitions()]


def test_a_missing_topic_is_told_and_made_by_the_processor(rtcdp, missing, tmp_path):
    where = ("--log", missing, "--data-dir", tmp_path)
    looked = rtcdp("doctor", "--port", "0", *where, "--json")
    (log,) = [row for row in json.loads(looked.stdout)["items"] if row["what"] == "log"]
    assert (looked.returncode, log["state"], "not there yet" in log["fact"]) == (0, "ok", True)
    for command in ("status", "events", "verify"):
        assert rtcdp(command, *where).returncode == 3
    assert extents_of(missing) == []
    for _ in range(2):
        done = rtcdp("process", "--once", *where)
        assert (done.returncode, done.stdout) == (
            0,
            "caught up at epoch 0: 0 records processed\n",
        ), done.stderr
    assert len(extents_of(missing)) == 4
    assert "0 records" in rtcdp("status", *where).stdout
    assert rtcdp("doctor", "--port", "0", *where).returncode == 0


@pytest.fixture
def broker(server_directory: Path) -> Iterator[KafkaServer]:
    with kafka(server_directory) as broker:
        yield broker


class Generating:
    """`rtcdp generate` as a process of its own, of which all that it says is kept."""

    def __init__(self, topic: str) -> None:
        command = [sys.executable, "-m", "rtcdp", "generate", "--to", topic, "--rate", "50"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._lines: list[str] = []
        self._has_ended = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)
        self._has_ended.set()

    def hear(self, text: str) -> str:
        """Wait for a line with `text`."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := [line for line in list(self._lines) if text in line]):
            is_over = self._has_ended.is_set() or time.monotonic() > deadline
            assert not is_over, f"it never said {text!r}, but:\n{''.join(self._lines)}"
            time.sleep(0.02)
        return found[0]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def generating(broker: KafkaServer) -> Iterator[Generating]:
    with closing(Generating(broker.url("visits"))) as generating:
        yield generating


def test_the_generator_waits_for_a_broker_that_is_away(generating, broker):
    generating.hear("sends 50 events per second")
    while not sum(extent.next_offset for extent in extents_of(broker.url("visits"))):
        assert generating.process.poll() is None
        time.sleep(0.1)
    broker.stop()
    told = generating.hear("trying again")
    assert "WARNING generator: the log can't take events now: topic visits at" in told
    broker.start()
    assert "INFO generator: back again, after" in generating.hear("back again")
    generating.process.send_signal(signal.SIGINT)
    assert "0 rejected" in generating.hear("made ")
    assert generating.process.wait(60) == 130
