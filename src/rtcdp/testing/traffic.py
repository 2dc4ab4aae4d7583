"""A shop's traffic with everything that goes wrong in it, as a collector hands it to a log."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.log.contract import Delivery
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.stream import EventStream, LineCounts

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00.000Z
HOUR_MS = 3_600_000

EVERY_FLAW = Dials(
    disorder_s=30, duplicates=0.05, late=0.02, malformed=0.02, hot_user=0.1, without_ids=0.1
)

_NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Traffic:
    """How much traffic, and from when to when (UTC ms). The same values make the same bytes.

    Requests hold up to `request_lines` lines; each is taken in when its last event happened.
    """

    lines: int
    users: int = 1_000
    seed: int = 5
    start_ms: int = START_MS
    span_ms: int = HOUR_MS
    request_lines: int = 1_000
    source: str = "shop"
    dials: Dials = EVERY_FLAW

    def deliveries(self) -> Iterator[Delivery]:
        """All of it, request by request."""
        return self._cut(self._stream())

    def counts(self) -> LineCounts:
        """How many lines of each kind there are."""
        stream = self._stream()
        for _ in self._cut(stream):
            pass
        return stream.counts

    def _stream(self) -> EventStream:
        return EventStream(seed=self.seed, run_ms=self.start_ms, users=self.users, dials=self.dials)

    def _cut(self, stream: EventStream) -> Iterator[Delivery]:
        cuts = random.Random(self.seed)
        first = 0
        while first < self.lines:
            count = min(self.lines - first, cuts.randint(1, self.request_lines))
            times_ms = [
                self.start_ms + position * self.span_ms // self.lines
                for position in range(first, first + count)
            ]
            batch = split(b"\n".join(stream.lines(times_ms)), _NDJSON, CollectorLimits())
            yield Delivery(
                lines=batch.lines,
                line_count=batch.line_count,
                received_at=times_ms[-1],
                source=self.source,
                rejects=batch.rejects,
            )
            first += count
