import json
from pathlib import Path

import pytest

from rtcdp.cli.funnel import bar
from tests.unit.cli.test_sessions import data, narrow, rows_of

__all__ = ["data", "narrow"]

OWN = """
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep

STEPS = [FunnelStep(name, event_type(name)) for name in ("PAGE_VIEW", "PURCHASE")]
FOLD = Fold("own", "Own", Funnel(tuple(STEPS), breakdown="productId"))
"""


def test_how_many_came_how_far(narrow):
    shown = narrow("funnel")
    assert "4 entered, counted by user within 7 d" in shown
    assert "some may still get farther" in shown
    rows = rows_of(shown)
    assert ["view", "4", "█" * 24, "100", "%", "2"] in rows
    assert ["cart", "2", "█" * 12, "50", "%", "1", "2", "min", "3", "min"] in rows
    assert ["purchase", "1", "█" * 6, "25", "%", "2", "min", "2", "min"] in rows


def test_cohorts(narrow):
    rows = rows_of(narrow("funnel", "shop_funnel", "--cohort", "day", "--tz", "Europe/Berlin"))
    assert ["2026-01-02", "3", "0", "%", "0", "%", "…"] in rows
    assert ["2026-01-01", "2", "100", "%", "50", "%", "…"] in rows


def test_people(narrow, rtcdp, data):
    shown = narrow("funnel", "--people", "--step", "cart", "--outcome", "dropped")
    assert "1 got no farther than cart" in shown
    assert ["bob", "2026-01-01", "01:00", "+2", "min", "–"] in rows_of(shown)
    some = narrow("funnel", "--people", "--step", 1, "--limit", 1)
    assert "4 reached view" in some
    assert "--limit shows more" in some
    given = ("--people", "--json", "--cohort", "day", "--cohort-start", "2026-01-02")
    told = json.loads(rtcdp("funnel", *given, "--data-dir", data).out)
    assert (told["count"], [each["userId"] for each in told["items"]]) == (2, ["ada", "a/b"])


def test_numbers_as_json(rtcdp, data):
    told = json.loads(rtcdp("funnel", "--json", "--data-dir", data).out)
    assert [cell["reached"] for cell in told["items"][0]["steps"]] == [4, 2, 1]
    assert told["steps"] == ["view", "cart", "purchase"]


def test_of_several_one_is_named(rtcdp, data, tmp_path: Path):
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "own.py").write_text(OWN)
    done = rtcdp("funnel", "--data-dir", data, "--catalog", catalog)
    assert (done.code, "name one of: shop_funnel, own" in done.err) == (2, True)
    own = rtcdp("funnel", "own", "--breakdown", "--data-dir", data, "--catalog", catalog)
    assert "nobody has entered it" in own.out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("nothing",), "shop_funnel"),
        (("--cohort", "year"), "hour, day, week"),
        (("--step", "1"), "--people"),
        (("--people", "--step", "9"), "1 (view)"),
        (("--people", "--outcome", "left"), "reached or dropped"),
        (("--breakdown",), "breakdown="),
    ],
)
def test_wrong_turns_are_wrong_usage(rtcdp, data, arguments, hint):
    done = rtcdp("funnel", *arguments, "--data-dir", data)
    assert done.code == 2
    assert hint in done.err


def test_a_bar_is_as_long_as_its_share_and_never_empty_for_something():
    assert [bar(share, 4) for share in (0, 0.001, 0.5, 0.53125, 1)] == [
        "",
        "▏",
        "██",
        "██▏",
        "████",
    ]
