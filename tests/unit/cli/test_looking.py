import csv
import io
import json

import pytest

from rtcdp.cli import terminal
from rtcdp.runtime.locks import Lock

MINE = """
from rtcdp.definitions import Count
from rtcdp.definitions import Metric
from rtcdp.definitions import tumbling
METRIC = Metric(name="visits", title="Visits", window=tumbling(hours=1), measures=(Count("n"),))
"""


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_catalog_is_listed(rtcdp):
    assert "user_page_view_counts" in rtcdp("metrics").out
    (metric, *_) = json.loads(rtcdp("metrics", "--json").out)["items"]
    assert set(metric) == {"metric", "title", "key", "window", "measures"}
    assert "revenue" in {row["metric"] for row in rows_of(rtcdp("metrics", "--csv").out)}


def test_a_metric_of_one_s_own_is_a_page_of_the_docs(rtcdp, tmp_path):
    (tmp_path / "views.py").write_text(
        "from rtcdp.definitions import Count\n"
        "from rtcdp.definitions import Metric\n"
        "from rtcdp.definitions import tumbling\n"
        "METRIC = Metric('views', 'All [views]', tumbling(hours=1), (Count('n'),))\n"
    )
    lines = rtcdp("metrics", "views", "--docs", "--catalog", tmp_path).out.splitlines()
    assert lines[0] == "### All [views]"
    assert "| Window | 1 hour |" in lines
    assert "| Ask | `GET /api/metrics/views` |" in lines
    of_all = rtcdp("metrics", "--docs", "--catalog", tmp_path).out
    assert of_all.count("### ") > 5
    assert of_all.endswith("\n".join(lines[-3:]) + "\n")


def test_numbers_stand_below_each_other(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("metrics", "user_page_view_counts").out.rstrip().splitlines()
    (head,) = [line.rstrip() for line in lines if "page_view_count" in line]
    assert head.endswith("page_view_count")
    assert {len(line.rstrip()) for line in lines if "2026" in line} == {len(head)}


def test_there_is_no_page_on_a_metric_that_is_not_there(rtcdp):
    assert "there is no metric 'nothing'" in rtcdp("metrics", "nothing", "--docs").err


def test_the_newest_windows_of_a_metric_are_shown(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("metrics", "user_page_view_counts", "--limit", 2).out.splitlines()
    assert lines[0].strip() == "Page views by user"
    assert [line.split()[-2:] for line in lines if "2026" in line] == [["ada", "1"], ["bob", "1"]]
    document = json.loads(rtcdp("metrics", "user_page_view_counts", "--limit", 1, "--json").out)
    assert document["metric"] == "user_page_view_counts"
    assert document["items"][0] == {
        "userId": "ada",
        "window_start": "2026-01-01T00:00:00.000Z",
        "window_end": "2026-01-01T00:01:00.000Z",
        "page_view_count": 1,
    }
    (row,) = rows_of(rtcdp("metrics", "top_pages", "--limit", 1, "--csv").out) or [{}]
    assert row == {} or json.loads(row["pages"])


def test_a_metric_without_windows_says_so(rtcdp, events):
    rtcdp("replay", events)
    assert rtcdp("metrics", "revenue").out == "revenue has no windows yet\n"
    assert json.loads(rtcdp("metrics", "revenue", "--json").out)["items"] == []
    assert rtcdp("metrics", "revenue", "--csv").out == "window_start,window_end\n"


def test_metrics_that_are_not_in_the_catalog_are_named(rtcdp, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "visits.py").write_text(MINE)
    rtcdp("process", "--once", "--catalog", "mine")
    assert "not in the catalog" not in rtcdp("metrics", "--catalog", "mine").out
    assert "they stand still: visits" in rtcdp("metrics").out
    assert json.loads(rtcdp("metrics", "--json").out)["not_in_the_catalog"] == ["visits"]
    doctor = rtcdp("doctor", "--port", 0)
    assert "they stand still: visits" in doctor.out
    # A busy disk may be odd as well.
    last = doctor.out.splitlines()[-1]
    assert (last[:26], "catalog" in last) == ("nothing is broken; look at", True)


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


def test_no_number_is_broken_for_the_names_above_it(rtcdp, monkeypatch, tmp_path):
    order = {"userId": "ada", "eventType": "PURCHASE", "timestamp": "2026-01-01T00:00:00Z"}
    path = tmp_path / "orders.ndjson"
    path.write_text(json.dumps({**order, "value": 2774.18}) + "\n")
    rtcdp("replay", path)
    monkeypatch.setattr(terminal.out, "width", 80)
    lines = rtcdp("metrics", "revenue").out.splitlines()
    (row,) = (line for line in lines if "2026" in line)
    assert row.split().count("2,774.18") == 4
    assert max(map(len, lines)) <= 80
    heading = " ".join(lines[: lines.index(row)]).split()
    assert {"average", "smallest", "_order", "_value"} <= set(heading)


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
