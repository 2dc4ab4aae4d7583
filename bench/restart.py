"""How long a platform takes from kill -9 until it answers and everything is counted again.

All processes are killed while events are coming in; the events that were acknowledged before are
counted exactly once after. The index of seen ids is rebuilt from all of the log.

    python -m bench.restart [--events N]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import httpx

from bench.installation import Platform
from rtcdp.sources.synthetic.bulk import bench_events

BATCH_EVENTS = 5_000
UNCOUNTED_BATCHES = 4


def measure(events: int = 1_000_000) -> dict[str, float]:
    """Fill a platform, kill it, start it again. Returns the events in the log and the seconds from
    the start to the first answer without lag; raises AssertionError when a number is off."""
    lines = b"".join(bench_events(events)).splitlines(keepends=True)
    batches = [
        b"".join(lines[first : first + BATCH_EVENTS]) for first in range(0, events, BATCH_EVENTS)
    ]
    with (
        tempfile.TemporaryDirectory() as directory,
        Platform(Path(directory) / "data") as platform,
    ):
        platform.wait_until_caught_up()
        with httpx.Client(timeout=60) as client:
            for batch in batches[:-UNCOUNTED_BATCHES]:
                client.post(f"{platform.url}/v1/import", content=batch).raise_for_status()
            platform.wait_until_caught_up()
            for batch in batches[-UNCOUNTED_BATCHES:]:
                client.post(f"{platform.url}/v1/import", content=batch).raise_for_status()
        platform.kill()
        started = time.perf_counter()
        platform.start()
        totals = platform.wait_until_caught_up()
        seconds = time.perf_counter() - started
    assert totals["received"] == totals["admitted"] == events, totals
    return {"events": events, "seconds": seconds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    print(json.dumps(measure(parser.parse_args().events)))
