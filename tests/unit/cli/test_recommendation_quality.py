"""The evaluation of recommendations, from a file to its table."""

import json
from pathlib import Path

import pytest

from rtcdp.cli import terminal
from rtcdp.cli.recommendation_quality import clicks_of

DAY, MINUTE, START = 86_400_000, 60_000, 1_767_225_600_000
EXAMPLE = Path(__file__).parents[3] / "examples" / "recommendations" / "yoochoose.toml"


@pytest.fixture
def file(tmp_path):
    sessions = [(f"u{n}", n * MINUTE, ("shoe", "sock")) for n in range(9)]
    sessions.append(("new", 3 * DAY, ("shoe", "sock")))
    lines = [
        json.dumps(
            {
                "userId": user,
                "eventType": "PRODUCT_VIEW",
                "productId": item,
                "timestamp": START + at + n * MINUTE,
            }
        )
        for user, at, items in sessions
        for n, item in enumerate(items)
    ]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join([*lines, "no event", '{"userId": "x"}']))
    return path


def test_a_table_in_80_columns(rtcdp, file, monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 80)
    shown = rtcdp("evaluate", "recommendations", file, "--ablations")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("1 guesses in 1 sessions, from 9 sessions with 2 products")
    [row] = [line for line in shown.out.splitlines() if line.split()[:2] == ["rtcdp", "1.000"]]
    assert row.split()[1:5] == ["1.000", "1.000", "1.000", "50%"]
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_json_has_each_way(rtcdp, file):
    told = json.loads(rtcdp("evaluate", "recommendations", file, "--days", "2", "--json").out)
    assert [item["way"] for item in told["items"]] == [
        "popular",
        "beside the last item",
        "nearest neighbours, plain",
        "rtcdp",
    ]
    assert (told["guesses"], told["known_items"]) == (1, 2)


def test_sessions_are_the_client_s_own_or_go_by_the_gap(tmp_path):
    path = tmp_path / "clicks.tsv"
    path.write_text("SessionId\tItemId\tTime\n1\ta\t1396437466.94\n1\tb\t1396796300.5\n")
    clicks, damage = clicks_of(path, str(EXAMPLE))
    assert clicks.rows() == [("1\n1", 1_396_437_466_940, "a"), ("1\n1", 1_396_796_300_500, "b")]
    assert damage == ""
    path = tmp_path / "events.ndjson"
    event = {"userId": "u", "eventType": "A", "productId": "a"}
    path.write_text(
        "\n".join(json.dumps({**event, "timestamp": START + at}) for at in (0, 1, 60 * MINUTE))
    )
    clicks, _ = clicks_of(path, "events")
    assert clicks["session"].n_unique() == 2


def test_a_file_without_products_is_wrong_usage(rtcdp, tmp_path):
    path = tmp_path / "nothing.ndjson"
    path.write_text("{}\n")
    assert rtcdp("evaluate", "recommendations", path).code == 2


def test_no_option_is_offered_that_it_does_not_read(rtcdp):
    told = rtcdp("evaluate", "recommendations", "--help").out
    assert "--mapping" in told
    assert "--json" in told
    assert "--store" not in told
    assert "--config" not in told
