import csv
import json

from tests.unit.cli.test_sessions import data, narrow, rows_of

__all__ = ["data", "narrow"]


def test_what_became_of_carts_day_by_day(narrow):
    shown = narrow("joins")
    rows = rows_of(shown)
    head = ["day", "all", "converted", "abandoned", "waiting", "share", "at", "stake", "median"]
    assert head in rows
    assert "by the day of UTC, within 24 h" in shown
    counts = [row for row in rows if row and row[0] == "2026-01-01"]
    assert [row[1:3] for row in counts] == [["2", "1"]]
    assert "2 min" in shown
    assert "nothing has happened" in narrow("joins", "--from", "2027-01-01")


def test_carts_one_by_one(narrow):
    rows = rows_of(narrow("joins", "cart_outcomes", "--list", "--outcome", "converted"))
    assert ["2026-01-01", "00:03", "ada", "1", "converted", "2", "min"] in rows
    assert narrow("joins", "--list", "--user", "eve") == "no such row\n"


def test_as_json(rtcdp, data):
    told = json.loads(rtcdp("joins", "--json", "--cohort", "none", "--data-dir", data).out)
    assert (told["join"], told["total"]["count"]) == ("cart_outcomes", 2)
    assert told["items"][0]["outcomes"]["converted"]["count"] == 1
    listed = json.loads(rtcdp("joins", "--list", "--json", "--data-dir", data).out)
    assert [item["userId"] for item in listed["items"]] == ["bob", "ada"]


def test_as_csv_with_two_columns_for_each_outcome(rtcdp, data):
    (row,) = csv.DictReader(rtcdp("joins", "--csv", "--data-dir", data).out.splitlines())
    numbers = {name: row[f"{name}_count"] for name in ("converted", "abandoned", "waiting")}
    assert (row["count"], numbers["converted"], sum(map(int, numbers.values()))) == ("2", "1", 2)
    assert "outcomes" not in row
    assert float(row["converted_value"]) <= float(row["value"])


def test_wrong_turns_are_wrong_usage(rtcdp, data):
    for arguments in (
        ("joins", "nothing"),
        ("joins", "sessions"),
        ("joins", "--cohort", "year"),
        ("joins", "--outcome", "converted"),
        ("joins", "--list", "--outcome", "bought"),
        ("joins", "--folds", "none"),
    ):
        done = rtcdp(*arguments, "--data-dir", data)
        assert (done.code, "/api/" in done.err, "outcome=" in done.err) == (2, False, False)
