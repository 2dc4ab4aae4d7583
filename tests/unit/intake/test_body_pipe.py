"""A body goes through a pipe to a thread, whole or with the reason why it is not."""

import asyncio
import io

import pytest

from rtcdp.clock import ManualClock
from rtcdp.intake.body_pipe import PIPE_BYTES, BodyPipe
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused
from tests.unit.intake.conftest import NOW_MS, MemoryLog

LIMITS = CollectorLimits(body_grace_s=0.05, min_body_bytes_per_s=2**30)


@pytest.fixture
def collector(log: MemoryLog):
    collector = Collector(log, ManualClock(NOW_MS), LIMITS)
    yield collector
    collector.close()


def arriving(*chunks: bytes, pause_s: float = 0.0, end: str = "http.request"):
    """What gives a body in these parts, the last of which says that it is the last."""
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]
    messages.append({"type": end, "body": b"", "more_body": False})

    async def receive():
        await asyncio.sleep(pause_s)
        return messages.pop(0)

    return receive


async def read_through(pipe: BodyPipe, filling) -> bytes:
    reading = asyncio.get_running_loop().run_in_executor(None, io.BufferedReader(pipe).read)
    _, found = await asyncio.gather(filling, reading)
    return found


async def test_all_that_came_before_and_all_that_comes_is_read_in_its_order(collector) -> None:
    heard = bytearray()
    pipe = BodyPipe(heard.extend)
    filling = pipe.fill(arriving(b"c", b"", b"d" * 300_000), collector, (b"a", b"b"))
    found = await read_through(pipe, filling)
    assert found == b"abc" + b"d" * 300_000 == bytes(heard)
    assert pipe.trouble is None


async def test_what_has_come_already_is_all_where_there_is_no_more(collector) -> None:
    pipe = BodyPipe()
    assert await read_through(pipe, pipe.fill(None, collector, (b"whole",))) == b"whole"


async def test_no_more_than_a_piece_waits_for_the_thread(collector) -> None:
    pipe, taken = BodyPipe(), []
    chunks = [b"x" * 2**16] * 64
    receive = arriving(*chunks)

    async def counted():
        taken.append(1)
        return await receive()

    filling = asyncio.create_task(pipe.fill(counted, collector, ()))
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(taken) == PIPE_BYTES // 2**16
    assert len(await read_through(pipe, filling)) == 64 * 2**16


@pytest.mark.parametrize(
    ("receive", "code"),
    [
        (arriving(b"half", pause_s=60), "body_too_slow"),
        (arriving(b"half", end="http.disconnect"), "body_damaged"),
    ],
)
async def test_reading_ends_with_why_it_is_not_whole(collector, receive, code: str) -> None:
    pipe = BodyPipe()
    with pytest.raises(RequestRefused) as refused:
        await read_through(pipe, pipe.fill(receive, collector, ()))
    assert refused.value.code == code
    assert pipe.trouble is refused.value


async def test_one_that_is_whole_cannot_be_ended_and_one_that_is_not_ends_once(collector) -> None:
    first, second = RequestRefused("body_damaged", "a"), RequestRefused("body_too_slow", "b")
    whole, half = BodyPipe(), BodyPipe()
    await whole.fill(None, collector, (b"all",))
    whole.end(first)
    assert whole.trouble is None
    half.end(first)
    half.end(second)
    assert half.trouble is first
