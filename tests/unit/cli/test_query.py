"""The command `query`."""

import csv
import io
import json

import polars as pl
import pytest

from rtcdp.cli import terminal


@pytest.fixture
def recorded(rtcdp, tmp_path):
    """Orders of two users on the day that clocks are put back in Berlin, and on the next one."""
    path = tmp_path / "orders.ndjson"
    orders = [
        ("ada", "2026-10-25T00:30:00Z", 10),
        ("bob", "2026-10-25T01:30:00Z", 20),
        ("ada", "2026-10-26T12:00:00Z", 40),
    ]
    path.write_text(
        "".join(
            json.dumps({"userId": user, "timestamp": at, "eventType": "PURCHASE", "value": value})
            + "\n"
            for user, at, value in orders
        )
    )
    rtcdp("replay", path)


BERLIN = ("--tz", "Europe/Berlin", "--from", "2026-10-25", "--to", "2026-10-27")


@pytest.mark.usefixtures("recorded")
def test_a_day_of_a_zone_is_put_together(rtcdp):
    done = rtcdp("query", "revenue.revenue", "--interval", "day", *BERLIN, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["local_start"], row["revenue.revenue"]) for row in rows] == [
        ("2026-10-25T00:00:00.000+02:00", "30.0"),
        ("2026-10-26T00:00:00.000+01:00", "40.0"),
    ]


@pytest.mark.usefixtures("recorded")
def test_the_hour_that_comes_twice_is_two_rows(rtcdp):
    shown = rtcdp("query", "revenue.order_count", "--interval", "hour", *BERLIN).out
    assert "2026-10-25 02:00 +02:00" in shown
    assert "2026-10-25 02:00 +01:00" in shown
    assert shown.count("2026-10-2") == 5  # the title has two more


@pytest.mark.usefixtures("recorded")
def test_names_of_many_columns_are_broken_between_metric_and_measure(rtcdp, monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 100)
    shown = rtcdp("query", "revenue", "--interval", "day", *BERLIN).out
    assert "average_order_value" in shown
    assert "revenue.average" not in shown


@pytest.mark.usefixtures("recorded")
def test_groups_beyond_the_limit_are_one_row(rtcdp):
    asked = (
        "query",
        "value_by_user.value",
        "--by",
        "userId",
        "--limit",
        "1",
        "--from",
        "2026-10-25",
    )
    shown = rtcdp(*asked, "--to", "2026-10-27").out
    assert "ada" in shown
    assert "1 others" in shown
    only = rtcdp(*asked, "--where", "userId=bob", "--format", "jsonl").out
    assert [json.loads(line)["userId"] for line in only.splitlines()] == ["bob"]


@pytest.mark.usefixtures("recorded")
def test_json_says_what_the_columns_are(rtcdp):
    answer = json.loads(rtcdp("query", "revenue", *BERLIN, "--format", "json").out)
    assert answer["items"][0]["revenue.order_count"] == 3
    assert answer["columns"][0]["kind"] == "sum"


@pytest.mark.usefixtures("recorded")
def test_parquet_goes_into_a_file(rtcdp, tmp_path):
    file = tmp_path / "revenue.parquet"
    done = rtcdp("query", "revenue", *BERLIN, "--format", "parquet", "--out", file)
    assert "1 row" in done.out
    assert pl.read_parquet(file)["revenue.revenue"].to_list() == [70.0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--format", "parquet"), "Parquet is no text"),
        (("--format", "xml"), "--format is 'xml'"),
        (("--out", "a.csv"), "a file is no table"),
        (("--interval", "decade"), "--interval is 'decade'"),
        (("--where", "ada"), "--where is 'ada'"),
        (("--by", "country"), "revenue is not counted by country"),
    ],
)
@pytest.mark.usefixtures("recorded")
def test_what_is_no_query_is_wrong_usage(rtcdp, options, says):
    done = rtcdp("query", "revenue", *options)
    assert done.code == 2
    assert says in done.err


@pytest.mark.usefixtures("recorded")
def test_where_nothing_was_counted_it_says_so(rtcdp):
    done = rtcdp("query", "revenue", "--from", "2020-01-01", "--to", "2020-02-01")
    assert "nothing was counted in 2020-01-01 00:00 – 2020-02-01 00:00 UTC" in done.out
