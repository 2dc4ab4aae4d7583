import json
from pathlib import Path

import pytest

from rtcdp.cli import terminal
from rtcdp.store.sqlite import SqliteStore
from tests.stories import event
from tests.told import DAY, HOUR, START, Teller, visits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose store has told the stories of two days."""
    folder = tmp_path / "data"
    folder.mkdir()
    store = SqliteStore(folder / "store.db")
    Teller(store).tell(visits(), START + DAY + 2 * HOUR)
    store.close()
    return folder


@pytest.fixture
def narrow(rtcdp, data, monkeypatch):
    """Runs a command on that data in 80 columns; what it writes has to fit."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(terminal.out, "width", 80)
        done = rtcdp(*arguments, "--data-dir", data)
        assert (done.code, done.err) == (0, "")
        assert all(len(line) <= 80 for line in done.out.splitlines())
        return done.out

    return run


def rows_of(text):
    """The cells of a table's rows, by what they hold."""
    return [line.split() for line in text.splitlines()]


def test_the_newest_sessions(narrow):
    rows = rows_of(narrow("sessions", "--limit", 3, "--tz", "Europe/Berlin"))
    assert ["2026-01-02", "02:00", "ada", "1", "min", "1", "/p/2", "bounce"] in rows
    assert ["2026-01-02", "01:00", "a/b", "8.0", "s", "2", "/"] in rows
    bought = rows_of(narrow("sessions", "--user", "ada", "--to", "2026-01-02"))
    assert ["2026-01-01", "00:00", "ada", "5", "min", "2", "19.99", "/", "bought"] in bought
    assert narrow("sessions", "--state", "open") == "no sessions\n"


def test_sessions_by_day(narrow):
    rows = rows_of(narrow("sessions", "--days", "--tz", "Europe/Berlin"))
    assert [row[:2] for row in rows if row and row[0] in ("2026-01-02", "2026-01-01", "all")] == [
        ["2026-01-02", "3"],
        ["2026-01-01", "2"],
        ["all", "5"],
    ]


def test_sessions_as_json_and_csv(rtcdp, data):
    told = json.loads(rtcdp("sessions", "--json", "--limit", 1, "--data-dir", data).out)
    [item] = told["items"]
    assert (item["userId"], item["bounce"], item["open"]) == ("ada", True, False)
    days = json.loads(rtcdp("sessions", "--days", "--json", "--data-dir", data).out)
    assert days["total"]["session_count"] == 5
    assert days["items"][0]["day"] == "2026-01-02"
    head, *rows = rtcdp("sessions", "--csv", "--data-dir", data).out.splitlines()
    assert head.startswith("id,userId,session_start")
    assert len(rows) == 5


def test_one_user(narrow, rtcdp, data):
    shown = narrow("user", "ada")
    assert "view ● cart ● purchase ●  2026-01-01 00:05" in shown
    assert "Sessions: 2" in shown
    assert ["2026-01-01", "00:05:00", "PURCHASE", "1", "19.99"] in rows_of(shown)
    told = json.loads(rtcdp("user", "ada", "--json", "--data-dir", data).out)
    assert [item["eventId"] for item in told["items"]][:2] == ["e12", "e11"]
    assert told["sessions"][0]["count"] == 2


def test_a_product_that_its_page_names_is_told_once(rtcdp, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    pages = ("/product/kite", "/sale")
    viewed = [
        event(START + n, user="ada", pageUrl=page, productId="kite", eventId=str(n))
        for n, page in enumerate(pages)
    ]
    Teller(store).tell(viewed, START + DAY)
    store.close()
    shown = rtcdp("user", "ada", "--data-dir", tmp_path).out
    assert "/product/kite" in shown
    assert "/product/kite kite" not in shown
    assert "/sale kite" in shown


def test_wrong_turns_are_wrong_usage(rtcdp, data):
    for arguments, hint in (
        (("user", "nobody"), "upper and lower case"),
        (("sessions", "--tz", "Berlin"), "Europe/Berlin"),
        (("sessions", "--since", "soon"), "1h"),
        (("sessions", "--state", "closed"), "open or final"),
        (("sessions", "--fold", "shop_funnel"), "ask for rtcdp funnel shop_funnel"),
        (("sessions", "--days", "--user", "ada"), "leave"),
    ):
        done = rtcdp(*arguments, "--data-dir", data)
        assert done.code == 2
        assert hint in done.err
    assert rtcdp("sessions").code == 3


def test_what_is_not_whole_is_said_beside_it(rtcdp, data):
    store = SqliteStore(data / "store.db")
    store.limit_completeness("sessions", START + HOUR)
    store.close()
    done = rtcdp("sessions", "--data-dir", data)
    assert "older than 2026-01-01 01:00 UTC is not whole" in done.err
