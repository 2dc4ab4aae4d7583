"""Incidents of a month of a million shoppers: made up, counted by the engine, told over HTTP, and
judged by what its labels say. The same is told as of numbers that nothing of ours has counted."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from deploy.servers.server_process import free_port
from rtcdp.anomalies import Series, judge
from rtcdp.answers.instant import read_instant
from rtcdp.definitions import USUAL
from rtcdp.sources.synthetic.history import History, Past

END, END_MS, DAYS, USERS, SEED = "2026-07-01", 1_782_864_000_000, 30, 1_000_000, 1
DAY_MS = 86_400_000
START_S = 60
STEPS = {"by_type": 5 * 60_000, "by_product": 60 * 60_000}
KEYS = {"by_type": "eventType", "by_product": "productId"}
METRICS = """
from rtcdp.definitions import Alarms, Count, Metric, tumbling

METRIC = Metric(
    name="{name}",
    title="{name}",
    key=("{key}",),
    window=tumbling(minutes={minutes}),
    measures=(Count("event_count"),),
    alarms=Alarms(),
)
"""

Told = set[tuple[str, str | None, int, str]]
"""Metric, key (None for all keys), start of the window and direction."""


def rtcdp(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "rtcdp", *map(str, arguments)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The month in a store, and its labels beside it."""
    made = tmp_path_factory.mktemp("month")
    (made / "catalog").mkdir()
    for name, step in STEPS.items():
        text = METRICS.format(name=name, key=KEYS[name], minutes=step // 60_000)
        (made / "catalog" / f"{name}.py").write_text(text)
    month = ("--days", DAYS, "--until", END, "--seed", SEED, "--users", USERS)
    where = ("--data-dir", made / "data")
    subprocess.run(rtcdp("generate", *month, "--labels", made / "labels.json", *where), check=True)
    subprocess.run(
        rtcdp("process", "--once", "--folds", "none", "--catalog", made / "catalog", *where),
        check=True,
    )
    return made


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[Told]:
    """What a server tells of it."""
    port = free_port()
    where = ("--data-dir", folder / "data", "--catalog", folder / "catalog")
    server = subprocess.Popen(rtcdp("serve", "--port", port, *where))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            deadline = time.monotonic() + START_S
            while not answers(client):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield set(all_told(client))
    finally:
        server.terminate()
        server.wait(60)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.TransportError:
        return False


def all_told(client: httpx.Client) -> Iterator[tuple[str, str | None, int, str]]:
    for metric in STEPS:
        asked = {"metric": metric, "from": END_MS - DAYS * DAY_MS, "to": END_MS, "limit": "50"}
        while True:
            page = client.get("/api/anomalies", params=asked).raise_for_status().json()
            for item in page["items"]:
                start = read_instant("window_start", item["window_start"])
                yield metric, item["key"].get(KEYS[metric]), start, item["direction"]
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]


def counts_on_paper() -> dict[str, pl.DataFrame]:
    """How many events each key has in each window, counted from the lines themselves."""
    past = Past(days=DAYS, users=USERS, seed=SEED, until_ms=END_MS, incidents=True)
    fields = {"eventType": pl.String, "timestamp": pl.String, "productId": pl.String}
    time_ms = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ").dt.epoch("ms")
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in STEPS}
    for batch in History(past).tell():
        events = pl.read_ndjson(b"\n".join(batch.lines), schema=fields).with_columns(time_ms)
        for name, step in STEPS.items():
            start = (pl.col("timestamp") // step * step).alias("start")
            of_key = events.drop_nulls(KEYS[name]).group_by(start, KEYS[name]).len()
            parts[name].append(of_key.rename({KEYS[name]: "key"}))
    return {
        name: pl.concat(each).group_by("start", "key").agg(pl.col("len").sum())
        for name, each in parts.items()
    }


def judged(name: str, counts: pl.DataFrame) -> Iterator[tuple[str, str | None, int, str]]:
    """What is told of them, key by key and all together; the fifty largest keys of a day."""
    step, day = STEPS[name], (pl.col("start") // DAY_MS).alias("day")
    daily = counts.group_by("key", day).agg(pl.col("len").sum(), pl.len().alias("windows"))
    largest = (
        pl.concat([daily, daily.with_columns(pl.col("day") + 1)])
        .group_by("key", "day")
        .agg(pl.col("len").sum(), pl.col("windows").sum())
        .sort("len", "windows", "key", descending=[True, True, False])
        .group_by("day", maintain_order=True)
        .head(50)
    )
    watched = set(largest.select("key", "day").iter_rows())
    end = END_MS // step * step
    for key in [None, *sorted({key for key, _ in watched})]:
        part = counts if key is None else counts.filter(pl.col("key") == key)
        first = int(part["start"].min())
        values = np.zeros((end - first) // step)
        np.add.at(values, (part["start"].to_numpy() - first) // step, part["len"].to_numpy())
        found = judge(Series(values, DAY_MS // step, len(values)), USUAL)
        for place in found.is_alarm.nonzero()[0].tolist():
            start = first + place * step
            if key is None or (key, start // DAY_MS) in watched:
                is_up = values[place] > found.expected[place]
                yield name, key, start, "up" if is_up else "down"


def test_the_server_tells_what_numbers_on_paper_say(told: Told) -> None:
    on_paper = {each for name, counts in counts_on_paper().items() for each in judged(name, counts)}
    assert len(on_paper) > 50
    assert told == on_paper


def test_nine_of_ten_incidents_are_told_and_nine_of_ten_alarms_right(folder: Path) -> None:
    where = ("--data-dir", folder / "data", "--catalog", folder / "catalog")
    of = [word for name in STEPS for word in ("--metric", name)]
    evaluated = subprocess.run(
        rtcdp("evaluate", "anomalies", folder / "labels.json", *of, "--json", *where),
        check=True,
        stdout=subprocess.PIPE,
    )
    verdict = json.loads(evaluated.stdout)
    assert verdict["precision"] >= 0.9
    assert verdict["recall"] >= 0.9
    outages = [each for each in verdict["items"] if each["cause"] == "payment outage"]
    assert all(each["first_window"] <= 2 for each in outages)
