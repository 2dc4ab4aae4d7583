import json
import logging
import os
import re
import signal

import pytest

from rtcdp.cli.process import tell_batch
from rtcdp.runtime.processes.allocation import KEPT, VARIABLE
from rtcdp.runtime.processes.locks import Lock
from rtcdp.store import EpochReport


def test_once_ends_when_it_has_caught_up(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("process", "--once")
    assert (done.code, done.out) == (0, "caught up at epoch 1: 0 records processed\n")


def test_it_keeps_freed_memory_as_a_part_does(rtcdp, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    rtcdp("process", "--help")
    assert os.environ.pop(VARIABLE) == KEPT


def test_one_processor_at_a_time(rtcdp, tmp_path):
    with Lock(tmp_path / "rtcdp-data" / "store.db.processor.lock", "a processor"):
        done = rtcdp("process", "--once")
    assert (done.code, "a processor runs already" in done.err) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_that_is_stopped_early_says_so(rtcdp, events, interrupted, number):
    rtcdp("replay", events)
    interrupted(number)
    done = rtcdp("process", "--once")
    assert (done.code, "caught up" in done.out) == (130, False)
    assert done.out.startswith("stopped early at epoch")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize(
    "command", [["process"], ["collect", "--port", 0], ["serve", "--port", 0], ["up", "--port", 0]]
)
def test_what_runs_for_ever_ends_alike(rtcdp, interrupted, command, number, code):
    interrupted(number)
    assert rtcdp(*command).code == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "command", [["replay", "events.ndjson"], ["generate", "--out", "a", "--events", "6000"]]
)
def test_what_has_an_end_and_did_not_reach_it_ends_alike(
    rtcdp, events, interrupted, command, number
):
    assert events.exists()
    interrupted(number)
    assert rtcdp(*command).code == 130


def test_a_store_with_other_metrics_is_told_as_json_if_that_is_wanted(rtcdp, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "visits.py").write_text(
        "from rtcdp.definitions import Count\n"
        "from rtcdp.definitions import Metric\n"
        "from rtcdp.definitions import tumbling\n"
        'METRIC = Metric(name="visits", title="V", window=tumbling(hours=1),'
        ' measures=(Count("n"),))\n'
    )
    assert rtcdp("process", "--once", "--catalog", "mine").err == ""
    told = rtcdp("process", "--once", "--log-format", "json").err
    entry = json.loads(told)
    assert (entry["level"], entry["part"]) == ("WARNING", "processor")
    assert "visits" in entry["message"]
    text = rtcdp("process", "--once").err
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING processor: the store", text)


def test_a_batch_of_spark_is_a_line(caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    tell_batch(EpochReport(7, {1: 30, 0: 9}, 1234, 1200, 1850.0, 0, 4000))
    tell_batch(EpochReport(8, {0: 9}, 1, 1, 1.0, 0))
    assert [record.getMessage() for record in caplog.records] == [
        "epoch 7: 1,234 records, 1,200 admitted, in 1,850 ms; counted up to 0:9 1:30; 4,000 wait",
        "epoch 8: 1 records, 1 admitted, in 1 ms; counted up to 0:9; unknown wait",
    ]


def test_settings_of_sparks_are_checked_before_anything_runs(rtcdp):
    flags = ("--engine", "spark", "--log", "kafka://127.0.0.1:1/t", "--conf", "spark.master=local")
    failed = rtcdp("process", "--once", *flags)
    assert (failed.code, "use --master" in failed.err) == (2, True)


@pytest.mark.parametrize("flag", ["--master", "--trigger", "--jars", "--conf"])
def test_what_is_for_spark_is_refused_without_it(rtcdp, flag):
    failed = rtcdp("process", "--once", flag, "1s")
    assert (failed.code, f"{flag} is for Spark" in failed.err) == (2, True)
