"""How many requests and events a second the collector takes in, durably.

    python -m bench.intake [--seconds S] [--batch EVENTS_PER_REQUEST]

Runs `rtcdp collect` on a directory that is deleted afterwards, and sends to it: with wrk if that is
there, else with a small client of its own (which needs more of the machine, so that its numbers are
lower). Client and server share the machine.
With `--batch` one shape is measured and printed as JSON.
"""

import argparse
import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BODIES = 200
SHAPES = ((1, 64), (100, 64), (1000, 16))
"""Events a request, connections."""

_WRK_SCRIPT = """
local pool, at = {}, 0
function init(args)
  wrk.headers["Content-Type"] = "application/x-ndjson"
  for n = 1, tonumber(args[2]) do
    local file = io.open(args[1] .. "/" .. n, "rb")
    pool[n] = wrk.format("POST", nil, nil, file:read("*a"))
    file:close()
  end
end
function request()
  at = at % #pool + 1
  return pool[at]
end
"""


def measure(
    events_per_request: int = 100, connections: int = 64, seconds: float = 3.0
) -> dict[str, Any]:
    """Send for about `seconds`, over as many `connections`; what was taken in and how fast.

    Keys: client, events_per_request, connections, requests_per_s, events_per_s, errors. Raises
    `RuntimeError` where any request was refused.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _write_bodies(directory, events_per_request)
        port = _free_port()
        where = ["--port", str(port), "--data-dir", str(directory / "data")]
        server = subprocess.Popen(
            [sys.executable, "-m", "rtcdp", "collect", *where],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_answer(port)
            wrk = shutil.which("wrk")
            if wrk:
                sent = _send_with_wrk(wrk, directory, port, connections, seconds)
            else:
                sent = asyncio.run(_send(directory, port, connections, seconds))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    if sent["errors"]:
        # Who refuses is quicker than who keeps.
        raise RuntimeError(f"{sent['errors']:,} requests were refused: {sent}")
    return {
        "client": "wrk" if wrk else "own",
        "events_per_request": events_per_request,
        "connections": connections,
        "events_per_s": sent["requests_per_s"] * events_per_request,
        **sent,
    }


def _write_bodies(directory: Path, events_per_request: int) -> None:
    for body in range(1, BODIES + 1):
        lines = (
            f'{{"eventId":"{body}-{n}","userId":"user-{n * body % 1000}",'
            f'"timestamp":{1_767_225_600_000 + n},"eventType":"PAGE_VIEW","pageUrl":"/p/{n % 50}"}}'
            for n in range(events_per_request)
        )
        (directory / str(body)).write_text("\n".join(lines))


def _send_with_wrk(
    wrk: str, directory: Path, port: int, connections: int, seconds: float
) -> dict[str, float]:
    script = directory / "post.lua"
    script.write_text(_WRK_SCRIPT)
    url = f"http://127.0.0.1:{port}/v1/events"
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    done = subprocess.run(
        [wrk, *options, url, "--", str(directory), str(BODIES)],
        capture_output=True,
        text=True,
        check=True,
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if rate is None:
        raise RuntimeError(done.stdout)
    return {"requests_per_s": float(rate[1]), "errors": int(errors[1]) if errors else 0}


async def _send(directory: Path, port: int, connections: int, seconds: float) -> dict[str, float]:
    requests = []
    for n in range(1, BODIES + 1):
        body = (directory / str(n)).read_bytes()
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    end = time.monotonic() + seconds
    done = errors = 0

    async def client(first: int) -> None:
        nonlocal done, errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        n = first
        while time.monotonic() < end:
            writer.write(requests[n % BODIES])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            done += 1
            errors += not head.startswith(b"HTTP/1.1 200")
            n += 1
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*[client(n * 7) for n in range(connections)])
    return {"requests_per_s": done / (time.monotonic() - began), "errors": errors}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the collector did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--batch", type=int, help="measure this many events a request only")
    options = parser.parse_args()
    if options.batch:
        connections = dict(SHAPES).get(options.batch, 64)
        sys.stdout.write(json.dumps(measure(options.batch, connections, options.seconds)) + "\n")
        return
    _print_table(options.seconds)


def _print_table(seconds: float) -> None:
    row = "{:>8} {:>12} {:>10} {:>10} {:>7}\n"
    sys.stdout.write(row.format("ev/req", "connections", "req/s", "events/s", "errors"))
    for events, connections in SHAPES:
        got = measure(events, connections, seconds)
        rates = (f"{got['requests_per_s']:,.0f}", f"{got['events_per_s']:,.0f}")
        sys.stdout.write(row.format(events, connections, *rates, got["errors"]))


if __name__ == "__main__":
    main()
