import csv
import io
import json
import re

import pytest

from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.cli import terminal

MINE = """
from rtcdp.definitions import Count
from rtcdp.definitions import Metric
from rtcdp.definitions import tumbling
METRIC = Metric(name="visits", title="Visits", window=tumbling(hours=1), measures=(Count("n"),))
"""


BERLIN = """
from rtcdp.definitions import Calendar, Count, Metric
METRIC = Metric("days", "Days", Calendar("day", "Europe/Berlin"), (Count("n"),))
"""


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def line(user, at, kind="PAGE_VIEW", **fields):
    event = {"userId": user, "timestamp": at, "eventType": kind, **fields}
    return json.dumps(event) + "\n"


@pytest.fixture
def recorded(rtcdp, tmp_path):
    """Purchases of two users on two days, the later one a minute long."""
    path = tmp_path / "orders.ndjson"
    path.write_text(
        line("ada", "2026-06-01T10:00:30Z", "PURCHASE", value=10)
        + line("bob", "2026-06-01T10:01:30Z", "PURCHASE", value=20)
        + line("ada", "2026-06-02T23:59:30Z", "PURCHASE", value=40)
    )
    rtcdp("replay", path)


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
    assert "\n".join(lines) in of_all


def test_the_docs_tell_of_every_metric_and_every_fold(rtcdp):
    told = rtcdp("metrics", "--docs").out
    names = [each.name for each in (*load_catalog(None), *load_folds())]
    assert re.findall("^`(\\w+)`", told, re.MULTILINE) == names
    of_one = rtcdp("metrics", "shop_funnel", "--docs").out
    assert of_one.startswith("### From a view to a purchase\n")
    assert of_one in told


def test_on_a_terminal_they_are_lines_and_no_markdown(rtcdp, monkeypatch):
    monkeypatch.setattr(terminal.out, "_force_terminal", True)
    told = rtcdp("metrics", "shop_funnel", "--docs").out
    assert not re.search("<br>|[`|]", told)
    assert re.search(r"One row per\S* +userId and entered_at", told)


def test_numbers_stand_below_each_other(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("metrics", "user_page_view_counts").out.rstrip().splitlines()
    (head,) = [line.rstrip() for line in lines if "page_view_count" in line]
    assert head.endswith("page_view_count")
    assert {len(line.rstrip()) for line in lines if "2026" in line} == {len(head)}


def test_there_is_no_page_on_a_metric_that_is_not_there(rtcdp):
    told = rtcdp("metrics", "nothing", "--docs").err
    assert "there is no metric and no fold 'nothing'" in told
    assert "comes with --catalog" in told
    assert "shop_funnel" in told
    assert "leave out --json" in rtcdp("metrics", "revenue", "--docs", "--json").err


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
        "final": True,
    }
    (row,) = rows_of(rtcdp("metrics", "top_pages", "--limit", 1, "--csv").out) or [{}]
    assert row == {} or json.loads(row["pages"])


def test_a_metric_without_windows_says_so(rtcdp, events):
    rtcdp("replay", events)
    assert rtcdp("metrics", "revenue").out == "revenue has no windows there, or none yet\n"
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


def windows_in(out):
    return [row for row in out.splitlines() if row.strip().startswith("2026")]


@pytest.mark.usefixtures("recorded")
def test_one_number_of_one_user_on_one_day_can_be_asked_for(rtcdp):
    asked = ("metrics", "value_by_user", "userId=ada", "--from", "2026-06-01", "--to", "2026-06-02")
    (row,) = windows_in(rtcdp(*asked).out)
    assert row.split() == ["2026-06-01", "ada", "10.00", "1", "10.00"]
    (item,) = json.loads(rtcdp(*asked, "--json").out)["items"]
    assert (item["userId"], item["value"], item["final"]) == ("ada", 10.0, True)
    both = rtcdp("metrics", "value_by_user", "userId=ada", "userId=bob")
    assert len(windows_in(both.out)) == 3


@pytest.mark.usefixtures("recorded")
def test_a_window_ends_where_it_says(rtcdp):
    """A day began and ended at 00:00:00, of no other day."""
    assert "2026-06-02 " in rtcdp("metrics", "value_by_user").out
    assert "00:00:00" not in rtcdp("metrics", "value_by_user").out
    assert "2026-06-02 23:59 – 00:00 " in rtcdp("metrics", "revenue").out
    in_paris = rtcdp("metrics", "value_by_user", "--tz", "Europe/Paris").out
    assert "2026-06-02 02:00 – 2026-06-03 02:00" in in_paris
    assert "by the time of Europe/Paris" in in_paris


@pytest.mark.usefixtures("recorded")
def test_days_of_a_time_zone_are_days_there(rtcdp, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "days.py").write_text(BERLIN)
    rtcdp("process", "--once", "--catalog", "mine")
    rows = windows_in(rtcdp("metrics", "days", "--catalog", "mine").out)
    assert [row.split() for row in rows] == [["2026-06-03", "1"], ["2026-06-01", "2"]]


@pytest.mark.usefixtures("recorded")
def test_times_without_an_offset_are_those_of_the_time_zone(rtcdp):
    begin = ("metrics", "revenue", "--from", "2026-06-02T23:59")
    assert len(windows_in(rtcdp(*begin).out)) == 1
    assert len(windows_in(rtcdp(*begin, "--tz", "America/New_York").out)) == 0


def test_what_may_still_change_is_marked(rtcdp):
    rtcdp("generate", "--events", 50, "--seed", 1, "--out", "now.ndjson")
    rtcdp("replay", "now.ndjson")
    lines = rtcdp("metrics", "daily_active_users").out.rstrip().splitlines()
    assert lines[-1] == "… may still change"
    assert windows_in("\n".join(lines))[0].rstrip().endswith("…")
    assert rtcdp("metrics", "daily_active_users", "--state", "closed").out.count("…") == 0


def test_what_is_left_out_of_a_list_is_told(rtcdp, tmp_path):
    path = tmp_path / "views.ndjson"
    pages = [line("ada", "2026-06-01T10:00:00Z", pageUrl=f"/{page}") for page in "abcde"]
    path.write_text("".join(pages))
    rtcdp("replay", path)
    assert "/a 1, /b 1, /c 1, 2 more" in rtcdp("metrics", "top_pages").out
    path.write_text("".join(line("ada", f"2026-06-01T10:{n:02}:00Z") for n in range(21)))
    rtcdp("replay", path)
    out = rtcdp("metrics", "user_page_view_counts").out
    assert out.endswith("the first 20 are shown; --limit shows more\n")
    assert "--limit" not in rtcdp("metrics", "user_page_view_counts", "--limit", 1000).out


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["revenu"], "did you mean revenue? ask for one of: active_users"),
        (["value_by_user", "userid=ada"], "did you mean userId? give userId=…"),
        (["value_by_user", "ada"], "give userId=…"),
        (["revenue", "userId=ada"], "leave it away"),
        (["revenue", "--state", "final"], "give open or closed"),
        (["revenue", "--from", "yesterday"], "give --from 2026-01-31T09:30:00.000Z"),
        (["revenue", "--from", "2026-02-30"], "--from '2026-02-30' is not a time"),
        (["revenue", "--since", "5"], "like --since 1h"),
    ],
)
def test_what_can_t_be_asked_for_is_told_in_words_of_the_command_line(rtcdp, arguments, says):
    failed = rtcdp("metrics", *arguments)
    assert (failed.code, failed.out) == (2, "")
    assert says in failed.err
    assert "%2B" not in failed.err
