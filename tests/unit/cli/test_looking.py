import csv
import io
import json

import pytest

from rtcdp.cli import terminal
from rtcdp.runtime.processes.locks import Lock


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_ledger_balances(rtcdp, events):
    rtcdp("replay", events, "--source", "shop")
    lines = rtcdp("ledger").out.splitlines()
    assert lines[0].endswith("received 3 = admitted 2 + duplicate 0 + late 0 + dead letter 1 ✓")
    assert [line.split()[2:6] for line in lines if " shop " in line] == [["shop", "3", "2", "0"]]
    document = json.loads(rtcdp("ledger", "--json").out)
    assert document["totals"]["admitted"] == 2
    (row,) = rows_of(rtcdp("ledger", "--csv").out)
    assert (row["source"], row["received"], row["dead_letter"]) == ("shop", "3", "1")


def test_the_ledger_of_nothing_is_empty(rtcdp):
    rtcdp("process", "--once")
    assert rtcdp("ledger").out.startswith("received 0 = admitted 0")


@pytest.mark.parametrize(
    "command",
    [
        *("status", "ledger", "metrics", "metrics revenue", "metrics top_pages"),
        *("metrics value_by_user", "config", "dead-letters list", "events"),
    ],
)
def test_tables_fit_a_terminal_of_80_columns(rtcdp, monkeypatch, tmp_path, command):
    rtcdp("generate", "--events", 500, "--malformed", 0.1, "--duplicates", 0.1, "--out", "a")
    rtcdp("replay", "a", "--source", "a-source-with-a-name")
    monkeypatch.setattr(terminal.out, "width", 80)
    monkeypatch.setattr(terminal.out, "_force_terminal", True)
    monkeypatch.setattr(terminal.out, "no_color", True)
    done = rtcdp(*command.split())
    assert (tmp_path / "rtcdp-data").exists()
    assert done.code == 0
    # One event with a long reason may fold; no cell of a table may.
    plain = [terminal.Text.from_ansi(line).plain for line in done.out.splitlines()]
    tabular = [line for line in plain if not line.startswith("  ")]
    assert max(map(len, tabular)) <= 80


def test_how_far_an_installation_is(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("status").out.splitlines()
    assert lines[0].split() == ["rtcdp", "up", "does", "not", "run", "here"]
    assert "3 records" in lines[1]
    assert lines[-1] == "received 3 = admitted 2 + duplicate 0 + late 0 + dead letter 1 ✓"
    found = json.loads(rtcdp("status", "--json").out)
    assert (found["logged"], found["waiting"], found["url"], found["epoch"]) == (3, 0, None, 1)
    assert found["totals"]["admitted"] == 2
    assert rtcdp("status", "--csv").out.startswith("data_dir,log,store,url,process")


def test_who_runs_it(rtcdp, events, tmp_path):
    rtcdp("replay", events)
    with Lock(tmp_path / "rtcdp-data" / "up.lock", "rtcdp") as lock:
        lock.announce("http://127.0.0.1:8081")
        assert "runs at http://127.0.0.1:8081" in rtcdp("status").out


def test_the_sources_of_a_log_are_listed_and_can_be_retired(rtcdp, events):
    rtcdp("replay", events)
    assert "1 of 100 sources" in rtcdp("sources", "list").out
    assert "retired default" in rtcdp("sources", "retire", "default").out
    assert "0 of 100 sources" in rtcdp("sources", "list").out


def test_a_source_that_is_not_known_can_not_be_retired(rtcdp, events):
    rtcdp("replay", events)
    failed = rtcdp("sources", "retire", "shop")
    assert failed.code == 2
    assert "no source 'shop'" in failed.err


def test_programs_get_the_sources_as_rows(rtcdp, events):
    rtcdp("replay", events)
    assert json.loads(rtcdp("sources", "list", "--json").out)["items"] == [{"source": "default"}]
    assert rtcdp("sources", "list", "--csv").out == "source\ndefault\n"


def test_without_a_log_a_part_is_missing(rtcdp):
    failed = rtcdp("sources", "list")
    assert (failed.code, "there is no log" in failed.err) == (3, True)


def test_its_help_has_nothing_of_the_whole_programs(rtcdp):
    assert "completion" not in rtcdp("sources", "--help").out
