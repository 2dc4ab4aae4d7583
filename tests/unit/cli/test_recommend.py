"""The command on recommendations: a user, a product, a basket; for people and for programs."""

import json
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.cli import terminal
from rtcdp.folds.recommendation_outcomes import RecommendationName
from rtcdp.store.sqlite import SqliteStore
from tests.stories import event
from tests.told import DAY, MINUTE, START, Teller


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "shop"
    folder.mkdir()
    store = SqliteStore(folder / "store.db")
    monkeypatch.setenv("RTCDP_API_HISTORY_DAYS", "100000")
    teller = Teller(store)
    teller.tell(
        [
            event(START + n * MINUTE, user=user, productId=item, eventId=f"{user}{n}")
            for user in ("ada", "bob", "cay")
            for n, item in enumerate(("shoe", "sock", "hat"))
        ],
        START + DAY,
    )
    store.close()
    return ("--data-dir", folder)


def test_it_says_why_in_80_columns(rtcdp, data, monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 80)
    shown = rtcdp("recommend", "--product", "shoe", *data)
    assert (shown.code, shown.err) == (0, "")
    assert "3 of 3 sessions with shoe have it" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_a_product_that_nobody_had_says_so(rtcdp, data):
    shown = rtcdp("recommend", "--product", "shoo", *data).out
    assert "no session says what goes with shoo" in shown
    assert "no session says" not in rtcdp("recommend", "--product", "shoe", *data).out


def test_programs_get_it_as_json(rtcdp, data):
    told = json.loads(rtcdp("recommend", "ada", "--exclude", "none", "--json", *data).out)
    assert [item["productId"] for item in told["items"]] == ["sock", "shoe"]
    assert told["based_on"] == ["shoe", "sock", "hat"]
    assert told["sessions"] == 3


def test_a_basket_and_what_is_left_out(rtcdp, data):
    command = ("recommend", "--basket", "shoe,hat", "--exclude", "sock", "--json", *data)
    assert json.loads(rtcdp(*command).out)["items"] == []
    assert "nothing to recommend" in rtcdp(*command[:-3], *data).out


def test_who_has_no_history_is_told_how_far_it_reaches(rtcdp, data, monkeypatch):
    monkeypatch.setenv("RTCDP_API_HISTORY_DAYS", "1")
    told = rtcdp("recommend", "ada", *data).out
    assert "no session with a product began in the time that is looked at, 1 d\n" in told
    assert "RTCDP_API_HISTORY_DAYS" in told


def test_wrong_turns_are_wrong_usage(rtcdp, data, tmp_path):
    assert rtcdp("recommend", *data).code == 2
    assert rtcdp("recommend", "ada", "--product", "shoe", *data).code == 2
    assert rtcdp("recommend", "--basket", ",", *data).code == 2
    assert rtcdp("recommend", "ada", "--folds", "sessions", *data).code == 2
    assert rtcdp("recommend", "ada", "--data-dir", tmp_path).code == 3


def test_what_came_of_them(rtcdp, data, tmp_path, monkeypatch):
    assert "RecommendationOutcomes" in rtcdp("recommend", "--outcomes", *data).err
    assert rtcdp("recommend", "ada", "--since", "7d", *data).code == 2
    examples = Path(__file__).parents[3] / "examples" / "recommendations"
    folder = tmp_path / "outcomes"
    folder.mkdir()
    store = SqliteStore(folder / "store.db")
    teller = Teller(store, load_folds(examples))
    name = RecommendationName("user", "recommended", START, 1).text
    clicked = event(START + MINUTE, productId="shoe", **{"property:recommendationId": name})
    bought = event(START + DAY, "PURCHASE", productId="shoe", value=12.5)
    teller.tell([clicked, bought], START + DAY)
    store.close()
    more = ("--catalog", examples, "--data-dir", folder)
    monkeypatch.setattr(terminal.out, "width", 80)
    shown = rtcdp("recommend", "--outcomes", *more)
    assert (shown.code, shown.err) == (0, "")
    row = " ".join(shown.out.strip().splitlines()[-1].split())
    assert row == "user, recommended 1 1 (100 %) 1 12.50 12.50 12.50"
    (told,) = json.loads(rtcdp("recommend", "--outcomes", "--json", *more).out)["items"]
    assert (told["clicked"], told["revenue"]) == (1, 12.5)
    assert "no event names" in rtcdp("recommend", "--outcomes", "--since", "7d", *more).out
