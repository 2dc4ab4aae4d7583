import json

from tests.unit.cli.test_sessions import data, narrow, rows_of

__all__ = ["data", "narrow"]


def test_the_grid_of_retention(narrow):
    shown = narrow("retention")
    rows = rows_of(shown)
    assert ["started", "people", *map(str, range(11))] in rows
    assert ["2026-01-02", "1", *"·" * 11] in rows
    assert ["2026-01-01", "3", "67%", *"·" * 10] in rows
    assert ["all", "67%"] in rows
    assert "19 more days" in shown
    assert "· not over yet" in shown


def test_brackets_and_json(narrow, rtcdp, data):
    rows = rows_of(narrow("retention", "--mode", "bracket", "--brackets", "0-1,1-7"))
    assert ["started", "people", "0–0", "1–6"] in rows
    told = json.loads(rtcdp("retention", "daily_retention", "--json", "--data-dir", data).out)
    assert [item["size"] for item in told["items"]] == [1, 3]
    assert told["pooled"] == [{"after": 0, "size": 3, "returned": 2, "rate": 2 / 3}]


def test_the_most_frequent_paths_and_where_they_end(narrow, rtcdp, data):
    rows = rows_of(narrow("paths", "--limit", 1))
    assert ["2", "40", "%", "/", "→", "/p/1"] in rows
    assert ["3", "60", "%", "3", "other", "paths"] in rows
    assert ["1", "5", "█" * 24, "40", "%"] in rows
    told = json.loads(rtcdp("paths", "--json", "--since", "1d", "--data-dir", data).out)
    assert (told["count"], told["items"]) == (0, [])
    assert "nobody has gone" in narrow("paths", "--from", "2027-01-01")


def test_wrong_turns_are_wrong_usage(rtcdp, data):
    for arguments in (
        ("retention", "--mode", "off"),
        ("retention", "--brackets", "0-1"),
        ("retention", "nothing"),
        ("retention", "--folds", "none"),
        ("paths", "sessions"),
    ):
        assert rtcdp(*arguments, "--data-dir", data).code == 2
