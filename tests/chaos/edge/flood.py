"""Many clients that send as much as they are told, whatever they are answered:
`python -m tests.chaos.edge.flood PORT CONNECTIONS SECONDS EVENTS_PER_S NAME`, 0 a second for as
much as is taken. Says what came of it as JSON."""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

EVENTS = 100
"""In each request, as page views of as many users."""

_DIGITS = 12
_STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Flood:
    """`answers` counts requests by status, or by what went wrong; `refused_s` is how long each
    refusal took, `taken_s` each request that was taken."""

    port: int
    connections: int
    seconds: float
    requests_per_s: float
    name: str
    answers: Counter[str] = field(default_factory=Counter)
    refused_s: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)
    number: int = 0

    async def run(self) -> None:
        now = int(time.time() * 1000)
        rows = (
            f'{{"eventId":"{self.name}-{"#" * _DIGITS}-{n}","userId":"u{n}","timestamp":{now},'
            f'"eventType":"PAGE_VIEW","pageUrl":"/p/{n % 7}"}}'
            for n in range(EVENTS)
        )
        body = "\n".join(rows)
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = (head + body).encode()
        self._end = time.monotonic() + self.seconds
        await asyncio.gather(*(self._client(n) for n in range(self.connections)))

    async def _client(self, place: int) -> None:
        every_s = self.connections / self.requests_per_s if self.requests_per_s else 0.0
        due = time.monotonic() + every_s * place / self.connections
        reader = writer = None
        while due < self._end and time.monotonic() < self._end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + every_s, time.monotonic() - 1)
            began = time.monotonic()
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                status = await self._sent(reader, writer)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.answers[type(error).__name__] += 1
                if writer is not None:
                    writer.close()
                reader = writer = None
                continue
            self.answers[status] += 1
            took = self.taken_s if status == "200" else self.refused_s
            took.append(time.monotonic() - began)
        if writer is not None:
            writer.close()

    async def _sent(self, reader, writer) -> str:
        self.number += 1
        writer.write(self._request.replace(b"#" * _DIGITS, b"%0*d" % (_DIGITS, self.number)))
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        status = _STATUS.match(head)[1].decode()
        if status in ("429", "503") and b"retry-after:" not in head.lower():
            return f"{status} without Retry-After"
        return status


def main() -> None:
    port, connections, seconds, per_s, name = sys.argv[1:]
    flood = Flood(int(port), int(connections), float(seconds), float(per_s) / EVENTS, name)
    began = time.monotonic()
    asyncio.run(flood.run())
    took = time.monotonic() - began
    sys.stdout.write(
        json.dumps(
            {
                "seconds": took,
                "taken": flood.answers["200"] * EVENTS,
                "answers": flood.answers,
                "refused_s": sorted(flood.refused_s),
                "taken_s": sorted(flood.taken_s),
            }
        )
    )


if __name__ == "__main__":
    main()
