"""How long it takes from a POST until the event is visible in an answer of the API.

A steady stream of events is the load. Beside it, single page views of users that nobody has seen
before are posted one after another, and the user's page-view windows are asked for until there is
one.

    python -m bench.freshness [--rate EVENTS_PER_S] [--seconds N]
"""

import argparse
import json
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from bench.installation import Platform

BATCH_EVENTS = 100
ASK_EVERY_S = 0.002
PROBE_EVERY_S = 0.05


def measure(rate: int = 5_000, seconds: float = 20, folds: str = "all") -> dict[str, float]:
    """Run a platform with these folds for a while. Returns probes, the reached rate of the load in
    events/s, and the median, 99th percentile and maximum of the time to visibility in ms."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Platform(Path(directory) / "data", {"RTCDP_FOLDS": folds}) as platform,
    ):
        platform.wait_until_caught_up()
        stop = threading.Event()
        sent = [0]
        load = threading.Thread(target=_load, args=(platform.url, rate, stop, sent))
        load.start()
        time.sleep(2)
        started, before = time.monotonic(), sent[0]
        delays = _probes(platform.url, seconds)
        reached = (sent[0] - before) / (time.monotonic() - started)
        stop.set()
        load.join()
    return {
        "probes": len(delays),
        "load_events_per_s": reached,
        "p50_ms": float(np.percentile(delays, 50)),
        "p99_ms": float(np.percentile(delays, 99)),
        "max_ms": float(max(delays)),
    }


def _load(url: str, rate: int, stop: threading.Event, sent: list[int]) -> None:
    pause_s = BATCH_EVENTS / rate
    due = time.monotonic()
    with httpx.Client() as client:
        while not stop.is_set():
            now = _now()
            lines = [
                f'{{"eventId":"load-{sent[0] + i}","userId":"user_{i % 50:04d}",'
                f'"timestamp":"{now}","eventType":"PAGE_VIEW","pageUrl":"/p/{i}"}}'
                for i in range(BATCH_EVENTS)
            ]
            client.post(f"{url}/v1/events", content="\n".join(lines)).raise_for_status()
            sent[0] += BATCH_EVENTS
            due += pause_s
            time.sleep(max(0.0, due - time.monotonic()))


def _probes(url: str, seconds: float) -> list[float]:
    delays: list[float] = []
    end = time.monotonic() + seconds
    with httpx.Client() as client:
        while time.monotonic() < end:
            user = f"probe_{len(delays)}"
            event = {"userId": user, "timestamp": _now(), "eventType": "PAGE_VIEW"}
            posted = time.perf_counter()
            client.post(f"{url}/v1/events", json=event).raise_for_status()
            while not client.get(f"{url}/api/analytics/user/{user}/page-views").json():
                time.sleep(ASK_EVERY_S)
            delays.append((time.perf_counter() - posted) * 1000)
            time.sleep(PROBE_EVERY_S)
    return delays


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--folds", default="all")
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.rate, chosen.seconds, chosen.folds)))
