import asyncio
from dataclasses import replace

import pytest

from rtcdp.clock import ManualClock
from rtcdp.intake import transfers
from rtcdp.intake.body import HeldBody
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused

LIMITS = CollectorLimits(max_body_bytes=10, max_pending_bytes=25, body_timeout_s=0.01)


@pytest.fixture
def collector(log, clock: ManualClock):
    collector = Collector(log, clock, LIMITS)
    yield collector
    collector.close()


class Client:
    """Sends a body in chunks; counts how many of them were asked for."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.read = 0

    async def receive(self):
        chunk = self.chunks[self.read]
        self.read += 1
        return {"type": "http.request", "body": chunk, "more_body": self.read < len(self.chunks)}


async def refusal_of(collector: Collector, receive, content_length: bytes | None = None) -> str:
    with HeldBody(collector) as held, pytest.raises(RequestRefused) as refused:
        await held.read(receive, content_length)
    return refused.value.code


@pytest.mark.parametrize("chunks", [(b"",), (b"abc",), (b"abc", b"", b"de"), (b"0123456789",)])
async def test_a_body_is_read_whole(collector: Collector, chunks: tuple[bytes, ...]) -> None:
    with HeldBody(collector) as held:
        assert await held.read(Client(*chunks).receive, None) == b"".join(chunks)


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(collector) -> None:
    client = Client(*[b"1234"] * 1000)
    assert await refusal_of(collector, client.receive) == "body_too_large"
    assert client.read == 3


@pytest.mark.parametrize("length", [b"11", b"9" * 5000])
async def test_a_body_that_says_it_is_too_large_is_not_read(collector, length: bytes) -> None:
    client = Client(b"x")
    assert await refusal_of(collector, client.receive, length) == "body_too_large"
    assert client.read == 0


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", b"1", b""])
async def test_a_length_that_is_wrong_is_not_believed(collector: Collector, length: bytes) -> None:
    with HeldBody(collector) as held:
        assert await held.read(Client(b"1234").receive, length) == b"1234"


async def test_a_body_that_is_there_is_not_asked_for_again(collector: Collector) -> None:
    """The server announces an empty rest behind every body."""
    client = Client(b"123", b"4", b"")
    assert await read(collector, client.receive, b"4") == b"1234"
    assert client.read == 2


async def test_what_is_read_is_held_until_the_end(collector: Collector) -> None:
    with HeldBody(collector) as held:
        await held.read(Client(b"1234", b"56").receive, None)
        assert collector.stats().pending_bytes == 6
    assert collector.stats().pending_bytes == 0


async def test_all_bodies_together_have_a_limit(collector: Collector) -> None:
    with HeldBody(collector) as one, HeldBody(collector) as two:
        await one.read(Client(b"0123456789").receive, None)
        await two.read(Client(b"0123456789").receive, None)
        assert await refusal_of(collector, Client(b"123456").receive) == "overloaded"
    assert collector.stats().pending_bytes == 0


async def test_a_body_that_does_not_arrive_is_not_waited_for(collector: Collector) -> None:
    async def never():
        await asyncio.Event().wait()

    assert await refusal_of(collector, never) == "body_timeout"


async def test_a_body_that_ends_early_or_is_damaged_is_refused(collector: Collector) -> None:
    async def gone():
        return {"type": "http.disconnect"}

    assert await refusal_of(collector, gone) == "body_damaged"


class Sending:
    """A client that sends `first` and then waits until it is told to send the rest."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.rest: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def receive(self):
        if self.first:
            first, self.first = self.first, b""
            return {"type": "http.request", "body": first, "more_body": True}
        return {"type": "http.request", "body": await self.rest, "more_body": False}


async def read(collector: Collector, receive, content_length: bytes | None = None) -> bytes:
    with HeldBody(collector) as held:
        return await held.read(receive, content_length)


async def test_the_slowest_body_gives_way_when_there_is_no_room(log, clock, monkeypatch) -> None:
    monkeypatch.setattr(transfers, "YOUNG_S", 0.0)
    limits = replace(LIMITS, body_timeout_s=30.0, max_pending_bytes=28)
    collector = Collector(log, clock, limits)
    slower, faster = Sending(b"1234"), Sending(b"0123456789")
    tasks = [asyncio.create_task(read(collector, each.receive)) for each in (slower, faster)]
    while collector.stats().pending_bytes < 14:
        await asyncio.sleep(0)
    assert await read(collector, Client(b"0123456789", b"").receive) == b"0123456789"
    with pytest.raises(RequestRefused) as refused:
        await tasks[0]
    assert refused.value.code == "body_too_slow"
    faster.rest.set_result(b"")
    assert await tasks[1] == b"0123456789"
    assert collector.stats().pending_bytes == 0
    collector.close()


async def test_bodies_that_are_not_whole_yet_leave_room_for_those_that_are(log, clock) -> None:
    collector = Collector(log, clock, replace(LIMITS, body_timeout_s=30.0, max_pending_bytes=28))
    parts = [Sending(b"0123456789"), Sending(b"0123456789")]
    tasks = [asyncio.create_task(read(collector, each.receive)) for each in parts]
    while collector.stats().pending_bytes < 20:
        await asyncio.sleep(0)
    assert await refusal_of(collector, Client(b"01", b"").receive) == "overloaded"
    assert await read(collector, Client(b"01234567").receive) == b"01234567"
    for part in parts:
        part.rest.set_result(b"")
    assert await asyncio.gather(*tasks) == [b"0123456789"] * 2
    collector.close()


async def test_a_body_that_comes_by_and_by_must_come_fast_enough(log, clock) -> None:
    limits = CollectorLimits(body_grace_s=0.01, min_body_bytes_per_s=1000, body_timeout_s=30.0)
    collector = Collector(log, clock, limits)
    async with asyncio.timeout(20):
        assert await refusal_of(collector, Sending(b"12").receive) == "body_too_slow"
    assert collector.stats().pending_bytes == 0
    collector.close()


async def test_a_body_that_comes_fast_enough_has_its_time_and_no_more(log, clock) -> None:
    limits = CollectorLimits(body_grace_s=0.01, min_body_bytes_per_s=1, body_timeout_s=1.0)
    collector = Collector(log, clock, limits)
    async with asyncio.timeout(50):
        assert await refusal_of(collector, Sending(b"x" * 100).receive) == "body_timeout"
    assert collector.stats().pending_bytes == 0
    collector.close()
