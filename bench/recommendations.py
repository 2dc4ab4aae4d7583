"""How many recommendations a second are answered over HTTP, and how fast, beside a steady intake.

    python -m bench.recommendations [--sessions N] [--rate EVENTS_PER_S] [--seconds N]

A platform with a past of sessions of three products each, of one user each, spread over the last 25
days. While events of products come in, clients ask for users and for products, mostly for popular
ones, each again as soon as it is answered. Clients and servers share the machine; the events are
sent by a process of its own, as whoever takes the time of answers must not wait for that. It is
measured from when answers know of events of that load. Afterwards as many questions a second as
the goal says are asked, whether those before are answered or not; how long an answer takes is
counted there from when it was due to be asked for.
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
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import cast

import httpx
import numpy as np
from uvloop import new_event_loop

from bench.engine import import_lines
from bench.installation import Platform

PRODUCTS = 20_000
SESSION_EVENTS = 3
PAST_DAYS = 25
DAY_MS = 86_400_000
CLIENTS, STEADY_CLIENTS = 8, 64
SENDERS = 4
BATCH_EVENTS = 100
WARM_S, WARM_S_MAX = 5.0, 120.0
WARMING, MEASURED, STEADY = 0, 1, 2
STEADY_RATE = 1_000
_AT_ONCE = 1_000
_AS_OF = re.compile(rb"x-as-of: (\S+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def measure(
    sessions: int = 1_000_000, rate: int = 5_000, seconds: float = 20, keep: Path | None = None
) -> dict[str, float]:
    """Run a platform for a while. Returns answers/s, the median, 99th percentile and maximum of
    their times in ms, how far (ms) an answer was behind at most, the median and 99th percentile at
    a steady rate, answers that were refused, the reached rate of the load in events/s, how long (s)
    the first answer took, which reads all sessions, and the memory (MB) of the server."""
    with contextlib.ExitStack() as stack:
        data = keep or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        if not (data / "log").exists():
            lines = past_lines(sessions, round(time.time() * 1000))
            import_lines(data / "log", lines, round(time.time() * 1000))
        folds = {"RTCDP_FOLDS": "product_sessions"}
        platform = stack.enter_context(Platform(data, folds))
        platform.wait_until_caught_up(300)
        began = time.monotonic()
        httpx.get(f"{platform.url}/api/recommendations/product/p1", timeout=60).raise_for_status()
        first_s = time.monotonic() - began
        with _loaded(platform.url, rate) as sent:
            _warm_up(platform.url, sessions, time.time() * 1000)
            started, before = time.monotonic(), sum(sent)
            asked = _asked(platform.url, sessions, seconds, MEASURED)
            lasted_s = time.monotonic() - started
            reached = (sum(sent) - before) / lasted_s
            steady = _asked(platform.url, sessions, seconds, STEADY, due=_Due(STEADY_RATE))
        memory_mb = platform.memory_mb()
    return {
        "sessions": sessions,
        "answers_per_s": len(asked.took_ms) / lasted_s,
        "p50_ms": float(np.percentile(asked.took_ms, 50)),
        "p99_ms": float(np.percentile(asked.took_ms, 99)),
        "max_ms": float(max(asked.took_ms)),
        "behind_ms_max": asked.behind_ms_max,
        "steady_p50_ms": float(np.percentile(steady.took_ms, 50)),
        "steady_p99_ms": float(np.percentile(steady.took_ms, 99)),
        "refused": asked.refused,
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
    """A steady load from a process of its own, which counts what each of its senders sent; all of
    them have begun."""
    spawning = multiprocessing.get_context("spawn")
    sent, stop = spawning.Array("q", SENDERS), spawning.Event()
    process = spawning.Process(target=_load_all, args=(url, rate, stop, sent))
    process.start()
    try:
        while min(sent[:]) == 0:
            if process.exitcode is not None:
                raise RuntimeError("the load ended before it began")
            time.sleep(0.1)
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


@dataclass
class _Asked:
    """How long (ms) each answer took, how far (ms) one was behind at most, up to when (UTC ms) the
    freshest one told of everything, and how many there were that were none."""

    took_ms: list[float] = field(default_factory=list)
    behind_ms_max: float = 0.0
    as_of_max: float = 0.0
    refused: int = 0

    def note(self, head: bytes, took_ms: float) -> None:
        as_of = _AS_OF.search(head)
        if as_of is None or not head.startswith(b"HTTP/1.1 200"):
            self.refused += 1
            return
        self.took_ms.append(took_ms)
        as_of_ms = datetime.fromisoformat(as_of[1].decode()).timestamp() * 1000
        self.as_of_max = max(self.as_of_max, as_of_ms)
        self.behind_ms_max = max(self.behind_ms_max, time.time() * 1000 - as_of_ms)


class _Due:
    """When questions are to be asked: so many a second, from when the first client is there."""

    def __init__(self, per_s: float) -> None:
        self._pause_s = 1 / per_s
        self._next: float | None = None

    def take(self) -> float:
        """When the next question is due (`time.perf_counter`)."""
        due = time.perf_counter() if self._next is None else self._next
        self._next = due + self._pause_s
        return due


class _Client(asyncio.Protocol):
    """Asks one question after the other, each as soon as the one before is answered, or when it is
    `due`, until `end` (monotonic seconds). It takes what a client of a shop's own would: it waits
    for no thread, and reads no more than it has to."""

    def __init__(
        self, questions: Iterator[bytes], end: float, asked: _Asked, due: _Due | None = None
    ) -> None:
        self._questions = questions
        self._end = end
        self._asked = asked
        self._due = due
        self._came = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, between, body = self._came.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not between or len(body) < (int(length[1]) if length else 0):
            return
        self._came = b""
        self._asked.note(head, (time.perf_counter() - self._began) * 1000)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done.done():
            return
        if time.monotonic() < self._end:
            self.done.set_exception(exc or ConnectionError("the server ended a connection"))
        else:
            self.done.set_result(None)

    def _ask(self) -> None:
        assert self._transport is not None
        if time.monotonic() >= self._end:
            self._transport.close()
            return
        now = time.perf_counter()
        self._began = now if self._due is None else self._due.take()
        if self._began > now:
            asyncio.get_running_loop().call_later(self._began - now, self._send)
        else:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(next(self._questions))


def _itself(client: _Client) -> _Client:
    return client


def _questions(users: int, host: str, *phase: int) -> Iterator[bytes]:
    """Half are for users and half for products. Of each phase they are other ones."""
    rng = np.random.default_rng(phase)
    while True:
        whose = rng.integers(0, users, _AT_ONCE).tolist()
        products, is_product = _products(rng, _AT_ONCE), rng.random(_AT_ONCE) < 0.5
        for user, product, is_one in zip(whose, products, is_product.tolist(), strict=True):
            asked = f"product/p{product}" if is_one else f"user/u{user}"
            yield f"GET /api/recommendations/{asked} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _warm_up(url: str, users: int, loaded_at: float) -> None:
    """Ask until answers tell of what came since then (UTC ms)."""
    end = time.monotonic() + WARM_S_MAX
    for turn in count():
        if _asked(url, users, WARM_S, WARMING, turn).as_of_max > loaded_at:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"no answer within {WARM_S_MAX:g} s tells of the load")


def _asked(url: str, users: int, seconds: float, *phase: int, due: _Due | None = None) -> _Asked:
    """What came of asking for a while, or of asking what is `due`. Of each phase other things are
    asked for."""
    host, port = url.removeprefix("http://").split(":")
    asked = _Asked()

    async def ask() -> None:
        loop, end = asyncio.get_running_loop(), time.monotonic() + seconds
        clients = [
            _Client(_questions(users, host, *phase, number), end, asked, due)
            for number in range(CLIENTS if due is None else STEADY_CLIENTS)
        ]
        for client in clients:
            await loop.create_connection(partial(_itself, client), host, int(port))
        await asyncio.gather(*(client.done for client in clients))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(ask())
    return asked


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--keep", type=Path, help="a data folder to be kept, and used again")
    chosen = parser.parse_args()
    found = measure(chosen.sessions, chosen.rate, chosen.seconds, chosen.keep)
    print(json.dumps(found))
