"""Ten times as many as can be served, for a minute: what can be taken is, and is on the disk; all
else waits or is refused at once; who reads hardly notices; and soon after it all is as before."""

import json
import subprocess
import sys
import threading
import time

import httpx

from tests.chaos.edge.attacked import eventually, is_ready, percentile_99, platform

PEAK_S, OVERLOAD_S = 15.0, 60.0
CONNECTIONS, TIMES = 32, 10
"""So many are needed to send all that can be taken. Ten times as many wait for their answers, and
send again at once: on one machine nobody can send ten times as much as is answered."""
TAKEN = 0.9
READ_S = 1.0
RECOVERED_S = 10.0
REFUSED_S = 1.0


class Reader(threading.Thread):
    """Asks for a page of a metric, ten times a second."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = f"{url}/api/metrics/user_page_view_counts?limit=50"
        self._over = threading.Event()
        self.latencies_s: list[float] = []
        self.refusals: list[object] = []

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._over.wait(0.1):
                began = time.monotonic()
                try:
                    status: object = client.get(self._url).status_code
                except httpx.HTTPError as error:
                    status = repr(error)
                self.latencies_s.append(time.monotonic() - began)
                if status != 200:
                    self.refusals.append(status)

    def taken(self) -> tuple[list[float], list[object]]:
        """What there was since the last time."""
        found = self.latencies_s, self.refusals
        self.latencies_s, self.refusals = [], []
        return found

    def stop(self) -> None:
        self._over.set()
        self.join(60)


def flooded(running, connections, seconds, events_per_s, name):
    words = (running.port, connections, seconds, events_per_s, name)
    command = [sys.executable, "-m", "tests.chaos.edge.flood", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_ten_times_too_much(tmp_path, capsys):
    with platform(tmp_path / "data") as running:
        reader = Reader(running.url)
        reader.start()
        warm = flooded(running, CONNECTIONS, 5.0, 0, "warm")
        reader.taken()
        peak = flooded(running, CONNECTIONS, PEAK_S, 0, "peak")
        reads_at_peak, refused_at_peak = reader.taken()
        peak_per_s = peak["taken"] / peak["seconds"]
        flood = flooded(running, TIMES * CONNECTIONS, OVERLOAD_S, TIMES * peak_per_s, "flood")
        over = time.monotonic()
        reads, refused = reader.taken()
        eventually(lambda: is_ready(running), "it is ready again")
        ready_s = time.monotonic() - over
        before = running.received()
        eventually(lambda: running.get("/api/metrics")["lag_ms"] < 2_000, "all is counted")
        counted_s = time.monotonic() - over
        reader.taken()
        time.sleep(3)
        after, _ = reader.taken()
        reader.stop()
        received = running.received()
    share = flood["taken"] / flood["seconds"] / peak_per_s
    with capsys.disabled():
        sys.stdout.write(
            f"\npeak {peak_per_s:,.0f} events/s, p99 {percentile_99(peak['taken_s']):.3f} s,"
            f" reads p99 {percentile_99(reads_at_peak):.3f} s, refused {len(refused_at_peak)}\n"
            f"10×  {share:.2f} of it taken, {dict(flood['answers'])},"
            f" taken p99 {percentile_99(flood['taken_s'] or [0]):.3f} s,"
            f" refused p99 {percentile_99(flood['refused_s'] or [0]):.3f} s,"
            f" reads p99 {percentile_99(reads):.3f} s, refused {len(refused)}\n"
            f"ready after {ready_s:.1f} s, counted after {counted_s:.1f} s,"
            f" reads p99 {percentile_99(after):.3f} s; received {before:,} then {received:,}\n"
        )
    # A body that is too slow gives way with 408 where there is no room for all.
    assert set(flood["answers"]) <= {"200", "408", "429", "503"}
    assert share >= TAKEN
    assert percentile_99(flood["refused_s"] or [0]) < REFUSED_S
    assert percentile_99(reads) < max(READ_S, 2 * percentile_99(reads_at_peak))
    assert (refused_at_peak, refused) == ([], [])
    assert ready_s < RECOVERED_S
    assert percentile_99(after) < READ_S
    # What was taken is there, and nothing else.
    assert received == sum(each["taken"] for each in (warm, peak, flood))
