"""An oracle that shares no code with us: the job that one writes by hand in PySpark.

It reads the same topic and must come to the same page views, as long as the events come in order:
its watermark drops what is late by its own rule.
"""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.clock import SystemClock
from rtcdp.definitions import tables_of
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.runtime.parts import log_writer, metrics_of, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.store import Scan
from rtcdp.testing.traffic import Traffic
from tests.scale import scaled

JOB = Path(__file__).parents[3] / "bench" / "canonical_pyspark_job.py"
IN_ORDER = Traffic(scaled(20_000, chaos=60_000), users=50, dials=Dials())


@pytest.fixture(scope="module")
def topic(kafka_server):
    kafka_server.create_topic("canonical", partitions=4)
    with log_writer(Settings(log=kafka_server.url("canonical")), SystemClock()) as writer:
        writer.append(list(IN_ORDER.deliveries()))
    return "canonical"


@pytest.fixture(scope="module")
def by_hand(topic, kafka_server, spark_jars, tmp_path_factory):
    """(user, window start in ms) to count, as the hand-written job has it."""
    counts = tmp_path_factory.mktemp("canonical") / "counts.ndjson"
    command = [sys.executable, str(JOB), "--bootstrap", kafka_server.bootstrap, "--topic", topic]
    command += ["--jars", ",".join(map(str, spark_jars)), "--sink", str(counts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["records"] == IN_ORDER.lines
    rows = map(json.loads, counts.read_text().splitlines())
    return {(user, start): count for user, start, count in rows}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("engine", ["native", "spark"])
def test_page_views_are_those_of_a_job_written_by_hand(
    engine, by_hand, topic, kafka_server, spark_jars, tmp_path
):
    settings = Settings(
        data_dir=tmp_path,
        log=kafka_server.url(topic),
        engine=engine,
        spark=replace(SparkLimits(), master="local[2]", jars=",".join(map(str, spark_jars))),
    )
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    namesake = next(m for m in metrics_of(settings) if m.name == "user_page_view_counts")
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        rows = snapshot.scan(Scan(tables_of(namesake)[0]))
    found = {
        (row["userId"], row["window_start"]): row["page_view_count"]
        for row in rows.iter_rows(named=True)
    }
    assert found == by_hand
    assert len(found) > 1_000
