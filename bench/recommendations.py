"""How many recommendations a second are answered over HTTP, and how fast, beside a steady intake.

    python -m bench.recommendations [--sessions N] [--rate EVENTS_PER_S] [--seconds N]

A platform with a past of sessions of three products each, of one user each, spread over the last 25
days. While events of products come in, clients ask for users and for products, mostly for popular
ones, each again as soon as it is answered. Clients and servers share the machine; the events are
sent by a process of its own, as whoever takes the time of answers must not wait for that.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx
import numpy as np

from bench.engine import written
from bench.installation import Platform

PRODUCTS = 20_000
SESSION_EVENTS = 3
PAST_DAYS = 25
DAY_MS = 86_400_000
CLIENTS = 8
SENDERS = 4
BATCH_EVENTS = 100
WARM_S = 5.0


def measure(
    sessions: int = 1_000_000, rate: int = 5_000, seconds: float = 20, keep: Path | None = None
) -> dict[str, float]:
    """Run a platform for a while. Returns answers/s, the median, 99th percentile and maximum of
    their times in ms, answers that were refused, the reached rate of the load in events/s, how long
    (s) the first answer took, which reads all sessions, and the memory (MB) of the server."""
    with contextlib.ExitStack() as stack:
        data = keep or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        if not (data / "log").exists():
            lines = past_lines(sessions, round(time.time() * 1000))
            written(data / "log", lines, lambda _: round(time.time() * 1000), "import")
        folds = {"RTCDP_FOLDS": "product_sessions"}
        platform = stack.enter_context(Platform(data, folds))
        platform.wait_until_caught_up(300)
        began = time.monotonic()
        httpx.get(f"{platform.url}/api/recommendations/product/p1", timeout=60).raise_for_status()
        first_s = time.monotonic() - began
        with _loaded(platform.url, rate) as sent:
            asyncio.run(_ask(platform.url, sessions, WARM_S))
            started, before = time.monotonic(), sum(sent)
            took_ms, refused = asyncio.run(_ask(platform.url, sessions, seconds))
            lasted_s = time.monotonic() - started
            reached = (sum(sent) - before) / lasted_s
        memory_mb = platform.memory_mb()
    return {
        "sessions": sessions,
        "answers_per_s": len(took_ms) / lasted_s,
        "p50_ms": float(np.percentile(took_ms, 50)),
        "p99_ms": float(np.percentile(took_ms, 99)),
        "max_ms": float(max(took_ms)),
        "refused": refused,
        "load_events_per_s": reached,
        "first_answer_s": first_s,
        "largest_process_mb": memory_mb,
    }


def past_lines(sessions: int, until_ms: int) -> Iterator[bytes]:
    """Events of sessions, each of a user of its own, oldest first."""
    rng = np.random.default_rng(1)
    starts = np.sort(until_ms - rng.integers(DAY_MS // 24, PAST_DAYS * DAY_MS, sessions))
    for first in range(0, sessions, 10_000):
        some = starts[first : first + 10_000].tolist()
        for number, start in enumerate(some, first):
            for step, product in enumerate(_products(rng, SESSION_EVENTS)):
                yield (
                    f'{{"userId":"u{number}","timestamp":{start + step * 20_000},'
                    f'"eventType":"PRODUCT_VIEW","productId":"p{product}"}}'
                ).encode()


def _products(rng: np.random.Generator, count: int) -> list[int]:
    """Popular ones more often: of rank n in the proportion 1/n."""
    found: list[int] = np.exp(rng.random(count) * np.log(PRODUCTS)).astype(int).tolist()
    return found


@contextlib.contextmanager
def _loaded(url: str, rate: float) -> Iterator["SynchronizedArray[int]"]:
    """A steady load from a process of its own, which counts what each of its senders sent."""
    spawning = multiprocessing.get_context("spawn")
    sent, stop = spawning.Array("q", SENDERS), spawning.Event()
    process = spawning.Process(target=_load_all, args=(url, rate, stop, sent))
    process.start()
    try:
        yield sent
    finally:
        stop.set()
        process.join()


def _load_all(url: str, rate: float, stop: Event, sent: "SynchronizedArray[int]") -> None:
    senders = [
        threading.Thread(target=_load, args=(url, rate / SENDERS, stop, sent, number))
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def _load(url: str, rate: float, stop: Event, sent: "SynchronizedArray[int]", number: int) -> None:
    """Events of users who look at products, at a steady rate, from one sender of several."""
    rng = np.random.default_rng([2, number])
    due = time.monotonic()
    with httpx.Client(timeout=30) as client:
        while not stop.is_set():
            now = round(time.time() * 1000)
            lines = [
                f'{{"eventId":"load-{number}-{now}-{n}","userId":"visitor-{who}","timestamp":{now},'
                f'"eventType":"PRODUCT_VIEW","productId":"p{product}"}}'
                for n, (who, product) in enumerate(
                    zip(
                        rng.integers(0, 20_000, BATCH_EVENTS).tolist(),
                        _products(rng, BATCH_EVENTS),
                        strict=True,
                    )
                )
            ]
            client.post(f"{url}/v1/events", content="\n".join(lines)).raise_for_status()
            sent[number] += BATCH_EVENTS
            due += BATCH_EVENTS / rate
            time.sleep(max(0.0, due - time.monotonic()))


async def _ask(url: str, users: int, seconds: float) -> tuple[list[float], int]:
    """How long (ms) each answer took, and how many there were that were none."""
    host, port = url.removeprefix("http://").split(":")
    end = time.monotonic() + seconds
    took_ms: list[float] = []
    refused = 0

    async def client(number: int) -> None:
        nonlocal refused
        rng = np.random.default_rng(number)
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.monotonic() < end:
            whose = f"user/u{rng.integers(0, users)}"
            if rng.random() < 0.5:
                whose = f"product/p{_products(rng, 1)[0]}"
            began = time.perf_counter()
            head = f"GET /api/recommendations/{whose} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            if answer.startswith(b"HTTP/1.1 200"):
                took_ms.append((time.perf_counter() - began) * 1000)
            else:
                refused += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return took_ms, refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--keep", type=Path, help="a data folder to be kept, and used again")
    chosen = parser.parse_args()
    found = measure(chosen.sessions, chosen.rate, chosen.seconds, chosen.keep)
    print(json.dumps(found))
