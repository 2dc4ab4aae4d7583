"""Ten times as many as can be served, for a minute: what can be taken is, and is on the disk; all
else waits or is refused at once; who reads hardly notices; and soon after it all is as before."""

import json
import math
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.edge.attacked import Platform, eventually, is_ready, percentile_99, platform
from tests.chaos.edge.flood import EVENTS

PEAK_S, OVERLOAD_S = 15.0, 60.0
CONNECTIONS, TIMES = 32, 10
"""So many are needed to send all that can be taken. Ten times as many wait for their answers, and
send again at once: on one machine nobody can send ten times as much as is answered."""
ALLOWED_PER_S = 60
"""Requests of a hundred events that one address may send in a second, where capacity is what an
operator has set. Ten times as much can be sent, and by a clock, whatever is answered."""
READER_ADDRESS = "127.0.0.2"
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
        way = httpx.HTTPTransport(local_address=READER_ADDRESS)
        with httpx.Client(trust_env=False, timeout=60, transport=way) as client:
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


@dataclass
class Course:
    """What came of a flood: what was sent at its peak and in the flood, how long it took to read
    before, meanwhile and after, and what was refused to readers; when the platform was ready and
    all was counted, in seconds after the flood."""

    warm: dict[str, Any]
    peak: dict[str, Any]
    flood: dict[str, Any]
    reads: dict[str, list[float]]
    refused_reads: list[object]
    ready_s: float
    counted_s: float
    received: int

    @property
    def share(self) -> float:
        """How much of what is taken at the peak is taken in the flood."""
        peak, flood = self.peak, self.flood
        return flood["taken"] / flood["seconds"] / (peak["taken"] / peak["seconds"])

    @property
    def said(self) -> str:
        """All of it, for a person."""
        peak, flood = self.peak, self.flood
        reads = {when: f"{percentile_99(found):.3f} s" for when, found in self.reads.items()}
        return (
            f"\npeak {peak['taken'] / peak['seconds']:,.0f} events/s, {dict(peak['answers'])},"
            f" p99 {percentile_99(peak['taken_s']):.3f} s\n"
            f"10×  {self.share:.2f} of it taken, {dict(flood['answers'])},"
            f" taken p99 {percentile_99(flood['taken_s'] or [0]):.3f} s,"
            f" refused p99 {percentile_99(flood['refused_s'] or [0]):.3f} s\n"
            f"reads p99 {reads}, refused {len(self.refused_reads)}\n"
            f"ready after {self.ready_s:.1f} s, counted after {self.counted_s:.1f} s,"
            f" received {self.received:,}\n"
        )


def course(running: Platform, many: int, per_s: float) -> Course:
    """A flood of `many` connections, `TIMES` as many events as at the peak or, where that is 0, as
    `per_s` says."""
    reader = Reader(running.url)
    reader.start()
    try:
        warm = flooded(running, CONNECTIONS, 5.0, per_s / TIMES, "warm")
        reader.taken()
        peak = flooded(running, CONNECTIONS, PEAK_S, per_s / TIMES, "peak")
        reads_at_peak, refused_at_peak = reader.taken()
        offered = per_s or TIMES * peak["taken"] / peak["seconds"]
        flood = flooded(running, many, OVERLOAD_S, offered, "flood")
        over = time.monotonic()
        reads, refused = reader.taken()
        eventually(lambda: is_ready(running), "it is ready again")
        ready_s = time.monotonic() - over
        eventually(lambda: lag_ms(running) < 2_000, "all is counted")
        counted_s = time.monotonic() - over
        reader.taken()
        time.sleep(3)
        after, refused_after = reader.taken()
    finally:
        reader.stop()
    return Course(
        *(warm, peak, flood),
        {"peak": reads_at_peak, "flood": reads, "after": after},
        [*refused_at_peak, *refused, *refused_after],
        *(ready_s, counted_s, running.received()),
    )


def lag_ms(running: Platform) -> float:
    """How far what is counted is behind; without end while it is not said to who has asked too
    often."""
    lag = running.get("/api/metrics").get("lag_ms")
    return math.inf if lag is None else float(lag)


def check(found: Course) -> None:
    """What holds of every flood."""
    assert found.share >= TAKEN
    at_peak = percentile_99(found.reads["peak"])
    assert percentile_99(found.reads["flood"]) < max(READ_S, 2 * at_peak)
    assert percentile_99(found.reads["after"]) < READ_S
    assert found.refused_reads == []
    # Recovered is who answers as before and has counted everything.
    assert max(found.ready_s, found.counted_s) < RECOVERED_S
    # What was taken is there, and nothing else.
    sent = sum(each["taken"] for each in (found.warm, found.peak, found.flood))
    assert found.received == sent


def test_ten_times_what_is_allowed(tmp_path, capsys, monkeypatch):
    """By a clock, ten times what an address may send: all that is allowed is taken, and all else
    refused at once."""
    monkeypatch.setenv("RTCDP_ACCESS_ADDRESS_REQUESTS_PER_S", str(ALLOWED_PER_S))
    with platform(tmp_path / "data") as running:
        found = course(running, CONNECTIONS, TIMES * ALLOWED_PER_S * EVENTS)
    with capsys.disabled():
        sys.stdout.write(found.said)
    answers = found.flood["answers"]
    assert set(answers) == {"200", "429"}
    assert sum(answers.values()) >= TAKEN * TIMES * ALLOWED_PER_S * OVERLOAD_S
    assert percentile_99(found.flood["refused_s"]) < REFUSED_S
    check(found)


def test_ten_times_as_many_clients(tmp_path, capsys):
    """Without a limit they wait for each other, and all that they send is taken. Counting keeps up
    with what the collector takes on the same machine."""
    with platform(tmp_path / "data") as running:
        found = course(running, TIMES * CONNECTIONS, 0)
    with capsys.disabled():
        sys.stdout.write(found.said)
    # A body that is too slow gives way with 408 where there is no room for all.
    assert set(found.flood["answers"]) <= {"200", "408", "429", "503"}
    assert percentile_99(found.flood["refused_s"] or [0]) < REFUSED_S
    check(found)
