import json
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.testing.driver import Driver
from tests.watched import DROP, HOUR, START, watched


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    watched(Driver(load_catalog(), folder)).close()
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A drop that there was, and one that there wasn't."""

    def incident(cause: str, hour: int) -> dict[str, object]:
        begin, end = (START + (hour + more) * HOUR for more in (0, 1))
        touches = [{"direction": "down", "eventType": "PURCHASE"}]
        return {"cause": cause, "from": iso(begin), "to": iso(end), "touches": touches}

    def iso(time_ms: int) -> str:
        days, rest = divmod(time_ms - START, 24 * HOUR)
        return f"2026-01-{days + 1:02}T{rest // HOUR:02}:00:00Z"

    told = [incident("outage", DROP), incident("imagined", DROP - 20)]
    text = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-07T00:00:00Z", "incidents": told}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(text))
    return path


def test_it_shows_what_was_told_and_how_well(rtcdp, data, labels) -> None:
    asked = ("evaluate", "anomalies", labels, "--metric", "orders", "--data-dir", data)
    shown = rtcdp(*asked)
    assert (shown.code, shown.err) == (0, "")
    assert "1 of 2 incidents told (recall 0.50), 1 of 1 alarms right (precision 1.00)" in shown.out
    told = json.loads(rtcdp(*asked, "--json").out)
    assert (told["precision"], told["recall"], told["false_alarms"]) == (1.0, 0.5, [])
    outage, imagined = told["items"]
    assert (outage["cause"], outage["first_window"], outage["metric"]) == ("outage", 1, "orders")
    assert (imagined["alarms"], imagined["first_window"]) == (0, None)


def test_what_no_label_explains_is_told_for_nothing(rtcdp, data, labels) -> None:
    known = json.loads(labels.read_text()) | {"incidents": []}
    labels.write_text(json.dumps(known))
    shown = rtcdp("evaluate", "anomalies", labels, "--metric", "orders", "--data-dir", data)
    assert "told for nothing: 2026-01-06 15:00:00 orders down" in shown.out
    assert "(recall unknown), 0 of 1 alarms right (precision 0.00)" in shown.out


def test_labels_are_written_beside_a_past_and_read_again(rtcdp) -> None:
    past = ("--days", 12, "--users", 50, "--seed", 1, "--until", "2026-01-13")
    made = rtcdp("generate", *past, "--data-dir", "shop", "--labels", "labels.json")
    assert made.code == 0, made.err
    assert rtcdp("process", "--once", "--data-dir", "shop").code == 0
    done = rtcdp("evaluate", "anomalies", "labels.json", "--data-dir", "shop", "--json")
    assert [each["cause"] for each in json.loads(done.out)["items"]] == ["payment outage"]


def test_what_can_not_be_evaluated_says_what_to_do(rtcdp, data, tmp_path) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text("{}")
    for file, code in ((nothing, 2), (tmp_path / "missing", 3)):
        done = rtcdp("evaluate", "anomalies", file, "--data-dir", data)
        assert (done.code, "→" in done.err) == (code, True)
    assert rtcdp("generate", "--labels", "labels.json", "--events", 5).code == 2
    past = ("--days", 1, "--out", "past.ndjson")
    assert rtcdp("generate", *past, "--labels", "no/folder/labels.json").code == 3
