import asyncio

import pytest

from rtcdp.clock import ManualClock
from rtcdp.collector.body import ClientGone, HeldBody
from rtcdp.collector.collector import Collector
from rtcdp.collector.limits import CollectorLimits
from rtcdp.collector.problem import RequestRefused

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


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", b"1"])
async def test_a_length_that_is_wrong_is_not_believed(collector: Collector, length: bytes) -> None:
    with HeldBody(collector) as held:
        assert await held.read(Client(b"1234").receive, length) == b"1234"


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


async def test_a_client_that_hangs_up_ends_the_reading(collector: Collector) -> None:
    async def gone():
        return {"type": "http.disconnect"}

    with HeldBody(collector) as held, pytest.raises(ClientGone):
        await held.read(gone, None)
