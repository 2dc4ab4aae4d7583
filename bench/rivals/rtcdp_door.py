"""The first half of rtcdp from raw lines: the strict rule and the durable log.

    python -m bench.rivals.rtcdp_door EVENTS OUT

It is the collector's own path without its HTTP, in requests of about 1,000 lines and commits of 20
requests, each with its fsync. A process of its own imports what a door needs, and no engine;
`bench.rivals.rtcdp_engine` reads the log that grows.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from rtcdp.clock import ManualClock
from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogWriter

REQUEST_BYTES = 200_000
GROUP_REQUESTS = 20
AFTER_MS = 6_000
"""A request is taken in so long after its last event; others in it may have happened 5 s later."""


class _When(msgspec.Struct):
    timestamp: str


_when = msgspec.json.Decoder(_When).decode


def door(events: Path, out: Path) -> None:
    """Judge and append all events, and say in `out` when there is a log and when it is whole."""
    writer = EmbeddedLogWriter(out / "log", ManualClock(0), max_bytes=2**40)
    (out / "open").touch()
    deliveries = _deliveries(events)
    while group := list(islice(deliveries, GROUP_REQUESTS)):
        writer.append(group)
    writer.close()
    (out / "closed").touch()


def _deliveries(events: Path) -> Iterator[Delivery]:
    """Requests as a collector takes them, one body after another."""
    limits = CollectorLimits()
    with events.open("rb") as lines:
        while body := lines.read(REQUEST_BYTES) + lines.readline():
            batch = split(body, "application/x-ndjson", limits)
            last = batch.lines[batch.lines.rfind(b"\n", 0, -1) + 1 :]
            taken_in = parse_timestamp_ms(_when(last).timestamp) + AFTER_MS
            yield Delivery(batch.lines, batch.line_count, taken_in)


if __name__ == "__main__":
    door(*map(Path, sys.argv[1:]))
