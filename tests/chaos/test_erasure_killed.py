"""A processor that erases a user is killed at any moment, again and again: the user is erased in
the end, and everything else is exact."""

import json
import random
import subprocess
import sys
import time
from contextlib import closing

import pytest

from rtcdp.cli.app import run
from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.runtime.user_data.search import find_in_tables
from tests.scale import IS_CHAOS, scaled
from tests.unit.runtime.small_shop import count, files_with

PATIENCE_S = 120


STORES = ("", "mongo_url", "postgres_schema_url") if IS_CHAOS else ("",)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("seed", range(1, scaled(1, chaos=8) + 1))
def test_an_erasure_that_is_killed_anywhere_ends_exactly(seed, store, tmp_path, capsys, request):
    url = request.getfixturevalue(store) if store else ""
    settings, clock, rng = Settings(tmp_path, store=url), SystemClock(), random.Random(seed)
    users = [f"user-{number}@example.org" for number in range(20)]
    now = clock.now_ms()
    kinds = ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE")
    with closing(EmbeddedLogWriter(settings.log_path, clock)) as writer:
        for _ in range(20):
            events = [
                {
                    "userId": rng.choice(users),
                    "timestamp": now - rng.randrange(10**6),
                    "eventType": rng.choice(kinds),
                    "productId": f"p{rng.randrange(9)}",
                    "value": rng.randrange(100) / 4,
                }
                for _ in range(100)
            ]
            lines = b"".join(json.dumps(event).encode() + b"\n" for event in events)
            writer.append([Delivery(lines, len(events), now, intake="import")])
    count(settings)
    requests = ErasureRequests(tmp_path, clock)
    gone = users[0]
    asked, _ = requests.ask(gone, "test")
    where = ("--data-dir", str(tmp_path), *(("--store", url) if url else ()))
    command = [sys.executable, "-m", "rtcdp", "process", "--once", *where]
    kills = 0
    for _ in range(scaled(2, chaos=12)):
        processor = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        # From its second run on, the request says so from the beginning.
        while requests.state(asked.id).state == "waiting" and processor.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3 if kills == 0 else 2.5))
        processor.kill()
        kills += processor.wait() == -9
    count(settings)
    assert kills > 0
    state = requests.state(asked.id)
    assert (state.state, state.receipt["found"]) == ("done", [])
    assert files_with(tmp_path, gone) == []
    assert list(find_in_tables(settings, gone)) == []
    for way in ((), ("--quick",), ("--independent",)):
        assert run(["verify", *way, *where]) == 0, f"seed {seed}: {capsys.readouterr().out}"
    capsys.readouterr()
    assert run(["ledger", "--json", *where]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert totals["received"] == 2_000 == totals["admitted"] + totals["erased"]
    assert totals["erased"] > 0
