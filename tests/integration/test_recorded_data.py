"""Two recordings of real sites, from their files to answers that a naive computation agrees with.

The page beside them, in `tests/recordings`, tells their origin and terms.
"""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.definitions import Fold
from rtcdp.store.sqlite import SqliteStore

RECORDINGS = Path(__file__).parents[1] / "recordings"
SESSIONS = next(fold for fold in load_folds() if fold.name == "sessions")
METRICS = {metric.name: metric for metric in load_catalog()}


def rtcdp(*arguments: object) -> str:
    command = [sys.executable, "-m", "rtcdp", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def total(store: SqliteStore, metric: str, measure: str, **key: str) -> float:
    """The measure added up over all windows of a metric."""
    added, after = 0.0, None
    while True:
        query = WindowQuery(equals=key, limit=1000, after=after)
        with store.snapshot() as snapshot:
            page = windows(snapshot, METRICS[metric], query)
        added += sum(float(str(item[measure])) for item in page.items)
        after = page.after
        if after is None:
            return round(added, 6)


FUNNELS = """
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep

STEPS = {
    name: FunnelStep(name, event_type(type_))
    for name, type_ in (("view", "PAGE_VIEW"), ("cart", "ADD_TO_CART"), ("buy", "PURCHASE"))
}
FOLD = Fold("NAME", "NAME", Funnel(tuple(map(STEPS.get, "NAME".split("_"))), within_ms=None))
"""


def rows_of(data_dir: Path, fold: Fold) -> pl.DataFrame:
    """All rows of a fold, by its key."""
    store = SqliteStore(data_dir / "store.db", read_only=True)
    try:
        return store.dump(fold.table).sort(fold.primary_key)
    finally:
        store.close()


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two funnels without a limit in time."""
    catalog = tmp_path_factory.mktemp("folds")
    for name in ("view_cart_buy", "view_buy"):
        (catalog / f"{name}.py").write_text(FUNNELS.replace("NAME", name))
    return catalog


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, folds: Path) -> Path:
    data_dir = tmp_path_factory.mktemp("shop")
    said = rtcdp(
        "replay",
        RECORDINGS / "rees46-2019-oct.csv.gz",
        "--mapping",
        "rees46",
        "--data-dir",
        data_dir,
        "--catalog",
        folds,
    )
    assert "received 17,435 = admitted 17,434 + duplicate 0 + late 0 + dead letter 1" in said
    return data_dir


@pytest.mark.parametrize(
    ("metric", "measure", "key", "expected"),
    [
        ("events_by_type", "event_count", {"eventType": "PAGE_VIEW"}, 17_055),
        ("events_by_type", "event_count", {"eventType": "ADD_TO_CART"}, 165),
        ("events_by_type", "event_count", {"eventType": "PURCHASE"}, 214),
        ("revenue", "revenue", {}, 59_442.63),
        ("daily_active_users", "active_users", {}, 4_504),
        ("user_page_view_counts", "page_view_count", {}, 34_110),
    ],
)
def test_a_shop_s_numbers(
    shop: Path, metric: str, measure: str, key: dict[str, str], expected: float
) -> None:
    store = SqliteStore(shop / "store.db", read_only=True)
    assert total(store, metric, measure, **key) == expected
    store.close()


def test_visits_are_half_an_hour_apart(shop: Path) -> None:
    """The first event after half an hour or more without one begins another visit."""
    assert rows_of(shop, SESSIONS).height == 4_518


@pytest.mark.parametrize(
    ("name", "people"), [("view_cart_buy", [4_504, 111, 62]), ("view_buy", [4_504, 192])]
)
def test_people_come_so_far(shop: Path, folds: Path, name: str, people: list[int]) -> None:
    fold = next(fold for fold in load_folds(folds) if fold.name == name)
    rows = rows_of(shop, fold)
    depths = range(1, len(people) + 1)
    assert [
        rows.filter(pl.col("depth") >= depth)["userId"].n_unique() for depth in depths
    ] == people


def test_a_shop_is_verified(shop: Path, folds: Path) -> None:
    said = rtcdp("verify", "--data-dir", shop, "--catalog", folds)
    assert said.startswith("no difference")


def test_every_line_of_a_web_server_s_log_is_accounted_for(tmp_path: Path) -> None:
    log = RECORDINGS / "apache_logs.gz"
    said = rtcdp("replay", log, "--mapping", "combined-log", "--data-dir", tmp_path)
    assert "received 10,000 = admitted 9,999 + duplicate 0 + late 0 + dead letter 1" in said
    assert rtcdp("verify", "--data-dir", tmp_path).startswith("no difference")


def test_replaying_again_counts_nothing_twice(shop: Path, folds: Path) -> None:
    before = rows_of(shop, SESSIONS)
    recording = RECORDINGS / "rees46-2019-oct.csv.gz"
    flags = ("--mapping", "rees46", "--data-dir", shop, "--catalog", folds)
    assert "17,435 lines were imported before" in rtcdp("replay", recording, *flags)
    assert rows_of(shop, SESSIONS).equals(before)
