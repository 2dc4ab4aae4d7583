"""The folds against jobs that one writes by hand in PySpark, which share no code with us."""

import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.sources.synthetic.history import History, Past
from tests.stories import SCHEMA

JOB = Path(__file__).parents[3] / "bench" / "canonical_fold_job.py"
FOLDS = {fold.name: fold for fold in load_folds()}
PAST = Past(days=20, users=1_500, seed=3, until_ms=1_767_225_600_000)


@pytest.fixture(scope="module")
def lines():
    return b"\n".join(line for told in History(PAST).tell() for line in told.lines)


@pytest.fixture(scope="module")
def by_hand(lines, tmp_path_factory):
    """Of each fold the rows that the job wrote."""
    folder = tmp_path_factory.mktemp("by-hand")
    (folder / "events.json").write_bytes(lines)
    command = [sys.executable, str(JOB), str(folder / "events.json"), "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    rows = {name: pl.read_parquet(folder / name / "*.parquet") for name in FOLDS}
    assert {name: each["rows"] for name, each in told.items()} == {
        name: each.height for name, each in rows.items()
    }
    return rows


@pytest.fixture(scope="module")
def ours(lines):
    schema = {name: pl.String() if name == "timestamp" else kind for name, kind in SCHEMA.items()}
    time = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms")
    events = pl.read_ndjson(io.BytesIO(lines), schema=schema).with_columns(time.dt.epoch("ms"))
    return {name: fold.step.rows(events, fold.key) for name, fold in FOLDS.items()}


def equal(one, other, *columns, more_than=1_000):
    """Whether both have the same rows, as far as these columns go."""
    assert one.height > more_than
    return (
        one.select(columns)
        .sort(columns)
        .equals(other.select(columns).cast(dict(one.select(columns).schema)).sort(columns))
    )


def test_sessions(ours, by_hand):
    told = by_hand["sessions"].with_columns(
        product_count=pl.col("products").list.len(), client_count=pl.col("clients").list.len()
    )
    columns = ("start", "end", "event_count", "page_view_count", "converted")
    sets = ("product_count", "client_count", "entry_page", "exit_page")
    assert equal(ours["sessions"], told, "userId", *columns, *sets)


def test_a_funnel(ours, by_hand):
    columns = ("userId", "entered_at", "depth", "at_2", "at_3")
    assert equal(ours["shop_funnel"], by_hand["shop_funnel"], *columns)


def test_retention(ours, by_hand):
    days = pl.col("returned").fill_null([]).list.eval(pl.lit(2).pow(pl.element())).list.sum()
    told = by_hand["daily_retention"].select("userId", started_at="at", returned=days)
    assert equal(ours["daily_retention"], told, "userId", "started_at", "returned")


def test_paths(ours, by_hand):
    joined = pl.format('["{}"]', pl.col("path").list.join('","'))
    told = by_hand["page_paths"].with_columns(joined.alias("path"))
    assert equal(ours["page_paths"], told, "userId", "started_at", "path")


def test_a_join(ours, by_hand):
    columns = ("userId", "left_at", "productId", "left_value", "right_at", "right_value")
    assert ours["cart_outcomes"]["right_at"].null_count() not in (0, ours["cart_outcomes"].height)
    assert equal(ours["cart_outcomes"], by_hand["cart_outcomes"], *columns, more_than=100)


def test_products_of_sessions(ours, by_hand):
    deeds = pl.col("deeds").list.eval(pl.element().replace_strict([0, 1, 2], ["s", "c", "b"]))
    told = by_hand["product_sessions"].with_columns(deeds.list.join(""))
    found = ours["product_sessions"].with_columns(
        pl.col("products").str.json_decode(pl.List(pl.String()))
    )
    lists = pl.col("products").list.join(",")
    columns = ("userId", "started_at", "products", "deeds", "left_out")
    assert set("".join(told["deeds"])) == {"s", "c", "b"}
    assert equal(found.with_columns(lists), told.with_columns(lists), *columns)
