"""A fold in one file: told, described, listed, verified, and held to the naive one of its kind."""

import json

from rtcdp.catalog.catalog import load_folds
from rtcdp.testing.driver import START_MS, Driver
from tests.recipes.store_proof import run


def test_it_is_told_and_described(tmp_path):
    fold = next(fold for fold in load_folds() if fold.name == "search_funnel")
    driver = Driver([], tmp_path, folds=[fold])
    ada = {"userId": "ada", "timestamp": START_MS}
    driver.feed({**ada, "eventType": "SEARCH"}, {**ada, "eventType": "ADD_TO_CART"})
    driver.feed({"userId": "bob", "eventType": "SEARCH", "timestamp": START_MS})
    depths = {row["userId"]: row["depth"] for row in driver.rows("search_funnel")}
    assert depths == {"ada": 2, "bob": 1}
    driver.close()


def test_commands_know_it_and_the_oracle_agrees(tmp_path):
    data = ("--data-dir", str(tmp_path / "data"))
    run("rtcdp", "generate", "--days", "2", "--users", "200", "--seed", "1", *data)
    run("rtcdp", "process", "--once", *data)
    [whole] = json.loads(run("rtcdp", "funnel", "search_funnel", "--json", *data))["items"]
    people = run("rtcdp", "funnel", "search_funnel", "--people", "--json", *data)
    assert json.loads(people)["count"] == whole["entrants"] > 0
    assert "no difference" in run("rtcdp", "verify", *data)


def test_the_docs_tell_of_it():
    assert "GET /api/funnels/search_funnel" in run("rtcdp", "metrics", "search_funnel", "--docs")
