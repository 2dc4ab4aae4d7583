import json
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from rtcdp.answers.acknowledgements import Seen, acknowledge
from rtcdp.answers.anomaly_changes import AnomaliesWatch
from rtcdp.catalog.catalog import load_catalog
from rtcdp.cli import anomalies as command
from rtcdp.cli import terminal
from rtcdp.clock import SystemClock
from rtcdp.runtime.deferred import deferred
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import Driver
from tests.watched import HOUR, HOURS, START, watched


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    watched(Driver(load_catalog(), folder)).close()
    return folder


def test_they_are_shown_in_80_columns_and_each_by_itself(rtcdp, data, monkeypatch) -> None:
    monkeypatch.setattr(terminal.out, "width", 80)
    where = ("--from", "2026-01-01", "--metric", "orders", "--data-dir", data)
    shown = rtcdp("anomalies", *where)
    assert (shown.code, shown.err) == (0, "")
    (row,) = [line for line in shown.out.splitlines() if line.startswith(" 2026")]
    assert row.split()[:4] == ["2026-01-06", "15:00", "orders", "0"]
    told = json.loads(rtcdp("anomalies", *where, "--json").out)
    (item,) = told["items"]
    assert (item["direction"], told["watched"]) == ("down", 1)
    one = rtcdp("anomalies", item["id"], "--data-dir", data)
    assert one.code == 0
    assert item["says"] in one.out
    assert len([line for line in one.out.splitlines() if line.startswith(" 2026")]) == 49
    for text in (shown.out, one.out):
        assert all(len(line) <= 80 for line in text.splitlines() if "/api/" not in line)
    points = json.loads(rtcdp("anomalies", item["id"], "--json", "--data-dir", data).out)
    assert points["anomaly"] == item
    assert points["items"][-1]["observed"] == 0


def test_one_is_acknowledged_by_whoever_says_so(rtcdp, data) -> None:
    where = ("--from", "2026-01-06T12:00:00Z", "--data-dir", data)
    (item,) = json.loads(rtcdp("anomalies", *where, "--json").out)["items"]
    of_it = ("--acknowledge", item["id"], "--data-dir", data)
    assert rtcdp("anomalies", *of_it).code == 0
    said = rtcdp("anomalies", *of_it, "--by", "ada", "--note", "a deploy")
    assert (said.code, "seen by ada" in said.out) == (0, True)
    (seen,) = json.loads(rtcdp("anomalies", *where, "--acknowledged", "--json").out)["items"]
    assert (seen["acknowledged"]["by"], seen["acknowledged"]["note"]) == ("ada", "a deploy")
    assert "✓" in rtcdp("anomalies", *where).out
    assert ": a deploy" in rtcdp("anomalies", item["id"], "--data-dir", data).out
    assert json.loads(rtcdp("anomalies", *where, "--unacknowledged", "--json").out)["items"] == []
    taken_back = ("anomalies", "--withdraw", item["id"], "--data-dir", data)
    assert [rtcdp(*taken_back).code for _ in range(2)] == [0, 2]
    for wrong in (("--by", "ada"), ("--acknowledge", item["id"], "--withdraw", item["id"])):
        assert rtcdp("anomalies", *wrong, "--data-dir", data).code == 2


def test_the_events_behind_one_are_shown_one_by_one(rtcdp, tmp_path) -> None:
    lines = [json.dumps(event) for event in bot_at_night()]
    (tmp_path / "night.ndjson").write_text("\n".join(lines))
    where = ("--data-dir", tmp_path / "shop")
    assert rtcdp("replay", tmp_path / "night.ndjson", *where).code == 0
    assert rtcdp("process", "--once", *where).code == 0
    found = json.loads(rtcdp("anomalies", "--from", "2026-01-01", "--json", *where).out)["items"]
    (one,) = [each for each in found if each["metric"] == "orders"]
    events = json.loads(rtcdp("anomalies", one["id"], "--events", "--json", *where).out)["items"]
    assert len(events) == 20 < one["observed"]
    assert {event["userId"] for event in events} == {"bot"}
    assert {event["timestamp"][:13] for event in events} == {one["window_start"][:13]}
    shown = rtcdp("anomalies", one["id"], "--events", "--limit", 3, *where).out
    assert (shown.count(" bot "), "productId" in shown, "and more" in shown) == (3, False, True)
    assert rtcdp("anomalies", "--events", *where).code == 2


def bot_at_night() -> list[dict[str, object]]:
    """Three days in which somebody buys each hour, and an hour in which a bot does all the time."""
    return [
        {"userId": user, "eventType": "PURCHASE", "timestamp": START + hour * HOUR + 1_000 * number}
        for hour in range(72)
        for user, count in (("ada", 5 if hour != 70 else 0), ("bot", 90 if hour == 70 else 0))
        for number in range(count)
    ]


def test_what_begins_and_changes_is_followed(rtcdp, data, monkeypatch) -> None:
    class Then(SystemClock):
        def now_ms(self) -> int:
            return START + HOURS * HOUR

    real, looks = AnomaliesWatch.look, []
    deadline = time.monotonic() + 60

    def look(watch, installation):
        looks.append(1)
        if len(looks) == 2:
            newest = watch.standing.standing[0]
            with closing(SqliteStore(data / "store.db")) as store:
                acknowledge(installation, store, newest.id, Seen(f"zoe {time.monotonic()}"))
        change = real(watch, installation)
        if change is not None or time.monotonic() > deadline:
            signal.raise_signal(signal.SIGINT)
        return change

    monkeypatch.setattr(command, "SystemClock", Then)
    monkeypatch.setattr(command, "POLL_S", 0.01)
    monkeypatch.setattr(AnomaliesWatch, "look", look)
    done = rtcdp("anomalies", "--follow", "--json", "--data-dir", data)
    told = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, [each["told"] for each in told][-2:]) == (130, ["standing", "changed"])
    assert told[-1]["acknowledged"]["by"].startswith("zoe ")
    looks.clear()
    assert "changed  " in rtcdp("anomalies", "-f", "--data-dir", data).out


def test_nothing_is_said_in_words(rtcdp, data) -> None:
    shown = rtcdp("anomalies", "--from", "2026-01-06T20:00:00Z", "--data-dir", data)
    assert (shown.code, shown.out.startswith("nothing out of the ordinary in")) == (0, True)
    assert "--since" not in shown.out
    # The events of these days are older than a week.
    assert "look further back with --since" in rtcdp("anomalies", "--data-dir", data).out


def test_wrong_turns_are_wrong_usage(rtcdp, data, tmp_path) -> None:
    for arguments in (("--direction", "left"), ("--metric", "nothing"), ("abc",)):
        assert rtcdp("anomalies", *arguments, "--data-dir", data).code == 2
    assert rtcdp("anomalies", "--data-dir", tmp_path).code == 3


def test_metrics_are_held_against_each_other(rtcdp, data, monkeypatch) -> None:
    assert deferred(command.TOGETHER).together_page
    names = ("--together", "orders", "--together", "add_to_carts_by_product")
    where = ("--from", "2026-01-01", "--data-dir", data)
    refused = rtcdp("anomalies", *names, *where)
    assert (refused.code, "one series alone" in refused.err) == (2, True)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _: None)
    missing = rtcdp("anomalies", *names, *where)
    assert (missing.code, "rtcdp[multivariate]" in missing.err) == (3, True)
