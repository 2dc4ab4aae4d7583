"""A processor that lets events of a type go is killed at any moment, again and again: no byte of
them is left in the end, no number has moved, and what was let go of is what should be."""

import json
import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from rtcdp.cli.app import run
from rtcdp.clock import ManualClock, SystemClock
from rtcdp.definitions import Metric
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.folds.timeline import timelines_of
from rtcdp.log.aged import Aged
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.parts import folds_of, metrics_of, store_of
from rtcdp.runtime.settings import Settings
from rtcdp.testing.driver import content
from tests.scale import IS_CHAOS, scaled
from tests.unit.runtime.small_shop import count, files_with

HOUR, DAY = 3_600_000, 86_400_000
PATIENCE_S = 60
LONGEST_S = scaled(200, chaos=1_500) / 1_000
"""From the first mark of a run to the kill, at most: about as long as a run takes."""
OLD, YOUNG = "an old view of", "a young view of"
LETTING_GO = """
import sys, threading
from pathlib import Path
from rtcdp.clock import ManualClock
from rtcdp.ip_addresses import PrivacyRules
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings

folder, store, now_ms = sys.argv[1:]
kept = PrivacyRules(kept_days="PAGE_VIEW=8")
clock = ManualClock(int(now_ms))
with processor_of(Settings(Path(folder), store=store, privacy=kept), clock) as processor:
    for _ in range(2):
        processor.run(threading.Event(), once=True)
        clock.advance(2 * 3_600_000)
"""
"""A processor for two hours and a bit, in which no id comes again; these hours pass at once."""

KINDS = ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE")

STORES = ("", "mongo_url", "postgres_schema_url") if IS_CHAOS else ("",)


def fill(settings: Settings, rng: random.Random, now: int, event_count: int) -> None:
    """Events of the last twenty days, some twice, late or broken."""
    with closing(EmbeddedLogWriter(settings.log_path, ManualClock(now))) as writer:
        for _ in range(0, event_count, 100):
            lines = [_line(rng, now, 20) for _ in range(90)]
            again = [_line(rng, now, 5)] * 10
            broken = ((0, b'{"eventType":"PAGE_VIEW","userId":7}'),)
            data = b"".join([*lines, *again])
            writer.append([Delivery(data, 100, now, "app", "import", broken)])
            writer.append([Delivery(_line(rng, now - DAY, 5), 1, now, "app")])


def _line(rng: random.Random, now: int, days: int) -> bytes:
    timestamp, kind = now - rng.randrange(days * DAY), rng.choice(KINDS)
    age = OLD if kind == "PAGE_VIEW" and now - timestamp > 8 * DAY else YOUNG
    event = {
        "eventId": f"{rng.getrandbits(64):x}",
        "userId": f"user-{rng.randrange(20)}",
        "timestamp": timestamp,
        "eventType": kind,
        "productId": f"p{rng.randrange(9)}",
        "value": rng.randrange(100) / 4,
        "properties": {"note": f"{age} {rng.getrandbits(64):x}"},
    }
    return json.dumps(event).encode() + b"\n"


def told(settings: Settings) -> dict[str, pl.DataFrame]:
    """Every count, every row of a fold, and the ledger."""
    metrics: list[Metric] = list(stored_metrics(metrics_of(settings)))
    folds = folds_of(settings)
    with store_of(settings) as store:
        tables = content(store, metrics, folds)
        for telling in timelines_of(folds):
            del tables[telling.table.name]
        with store.snapshot() as snapshot:
            tables["ledger"] = snapshot.ledger(limit=10**6)
    return tables


def aged(settings: Settings) -> Aged:
    with closing(EmbeddedLogReader(settings.log_path)) as log:
        return log.aged()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("seed", range(1, scaled(1, chaos=6) + 1))
def test_letting_go_that_is_killed_anywhere_ends_exactly(
    seed: int, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], request
) -> None:
    url = request.getfixturevalue(store) if store else ""
    settings, rng = Settings(tmp_path, store=url), random.Random(seed)
    now = SystemClock().now_ms() - DAY
    fill(settings, rng, now, scaled(6_000, chaos=40_000))
    count(settings)
    before = told(settings)
    assert files_with(tmp_path, OLD) != []
    command = [sys.executable, "-c", LETTING_GO, str(tmp_path), url]
    midst = attempts = 0
    while midst < scaled(2, chaos=12):
        attempts += 1
        assert attempts < 60
        # Later than the one before it ended, so that each has something to let go of.
        at = str(now + attempts * 3 * HOUR)
        processor = subprocess.Popen([*command, at], stderr=subprocess.DEVNULL)
        pause_s, deadline = LONGEST_S * rng.random() ** 2, time.monotonic() + PATIENCE_S
        begun = aged(settings)
        while processor.poll() is None and aged(settings) == begun:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(pause_s)
        processor.kill()
        was_killed = processor.wait() == -9
        midst += was_killed and not aged(settings).is_done
    subprocess.run([*command, str(now + (attempts + 1) * 3 * HOUR)], check=True, timeout=PATIENCE_S)
    assert aged(settings).is_done
    assert files_with(tmp_path, OLD) == []
    assert files_with(tmp_path, YOUNG) != []
    after = told(settings)
    assert [name for name in before if not before[name].equals(after[name])] == []
    where = ("--data-dir", str(tmp_path), *(("--store", url) if url else ()))
    for way in ((), ("--quick",), ("--independent",)) if IS_CHAOS else (("--quick",),):
        assert run(["verify", *way, *where]) == 0, f"seed {seed}: {capsys.readouterr().out}"
