"""Commands on a topic that is not there yet, and on a broker that goes away."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.servers import KafkaServer, kafka
from rtcdp.log.contract import LogExtent
from rtcdp.log.kafka import KafkaLogReader, parse_topic
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


@pytest.fixture
def generating(broker: KafkaServer) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "rtcdp", "generate", "--to", broker.url("visits")]
    with subprocess.Popen(
        [*command, "--rate", "50"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def hear(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended and never said {text!r}")


def test_the_generator_waits_for_a_broker_that_is_away(generating, broker):
    hear(generating, "sends 50 events per second")
    while not sum(extent.next_offset for extent in extents_of(broker.url("visits"))):
        assert generating.poll() is None
    broker.stop()
    told = hear(generating, "trying again")
    assert "WARNING generator: the log can't take events now: topic visits at" in told
    broker.start()
    assert "INFO generator: back again, after" in hear(generating, "back again")
    generating.send_signal(signal.SIGINT)
    assert "0 rejected" in hear(generating, "made ")
    assert generating.wait(60) == 130
