"""What answers may hold, told by an application and a client that are driven by hand."""

import asyncio
from dataclasses import replace

import pytest
from litestar.exceptions import HTTPException

from rtcdp.api.limits import HttpLimits
from rtcdp.api.problem import TooManyClients
from rtcdp.intake import transfers
from rtcdp.runtime.http.answer_flow import SLICE_BYTES, AnswerFlow, TooSlow

LIMITS = HttpLimits(max_answers=1, max_waiting_answers=1, max_answer_bytes=3 * SLICE_BYTES)
SCOPE = {"type": "http", "method": "GET"}
SENT = {"type": "http", "method": "POST"}
PATIENCE_S = 60.0


class Client:
    """Takes messages while `reads` is set."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.status = 0
        self.body = b""
        self.largest = 0

    async def send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.reads.wait()
        self.body += message["body"]
        self.largest = max(self.largest, len(message["body"]))


class Application:
    """Answers with `size` bytes, in as many parts as `parts`, once it may."""

    def __init__(self, size: int, parts: int = 1) -> None:
        self.size = size
        self.parts = parts
        self.may = asyncio.Event()
        self.may.set()
        self.working = 0

    async def __call__(self, _scope, _receive, send) -> None:
        self.working += 1
        await self.may.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in range(self.parts):
            has_more = part < self.parts - 1
            body = b"x" * self.size
            await send({"type": "http.response.body", "body": body, "more_body": has_more})


def asked(flow: AnswerFlow, application: Application, client: Client) -> "asyncio.Task[None]":
    return asyncio.create_task(flow.serve(application, SCOPE, None, client.send))


async def rest() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_long_answer_is_sent_by_and_by() -> None:
    flow, client = AnswerFlow(LIMITS), Client()
    client.reads.set()
    await asked(flow, Application(2 * SLICE_BYTES + 1), client)
    assert len(client.body) == 2 * SLICE_BYTES + 1
    assert client.largest == SLICE_BYTES
    assert flow.held_bytes == 0


async def test_answers_are_worked_out_a_few_at_a_time_and_few_may_wait() -> None:
    flow, application = AnswerFlow(LIMITS), Application(1)
    application.may.clear()
    clients = [Client() for _ in range(3)]
    tasks = []
    for client in clients:
        client.reads.set()
        tasks.append(asked(flow, application, client))
        await rest()
    assert application.working == 1
    assert clients[2].status == 503
    assert b'"code":"overloaded"' in clients[2].body
    application.may.set()
    await asyncio.gather(*tasks)
    assert [client.status for client in clients] == [200, 200, 503]


async def test_a_slow_reader_holds_up_nobody_elses_answer() -> None:
    flow, slow, other = AnswerFlow(LIMITS), Client(), Client()
    waiting = asked(flow, Application(2 * SLICE_BYTES), slow)
    await rest()
    other.reads.set()
    await asked(flow, Application(10), other)
    assert other.body == b"x" * 10
    slow.reads.set()
    await waiting


async def test_the_slowest_answer_gives_way(monkeypatch) -> None:
    monkeypatch.setattr(transfers, "YOUNG_S", 0.0)
    flow, slow, other = AnswerFlow(LIMITS), Client(), Client()
    waiting = asked(flow, Application(2 * SLICE_BYTES), slow)
    await rest()
    other.reads.set()
    await asked(flow, Application(2 * SLICE_BYTES), other)
    assert len(other.body) == 2 * SLICE_BYTES
    with pytest.raises(TooSlow):
        await waiting
    assert flow.held_bytes == 0


async def test_without_room_an_answer_waits_and_then_is_refused() -> None:
    flow, slow, other = AnswerFlow(replace(LIMITS, patience_s=0.0)), Client(), Client()
    waiting = asked(flow, Application(2 * SLICE_BYTES), slow)
    await rest()
    other.reads.set()
    await asked(flow, Application(2 * SLICE_BYTES), other)
    assert other.status == 503
    slow.reads.set()
    await waiting


@pytest.mark.parametrize("application", [(3 * SLICE_BYTES, 1), (10, 5)])
async def test_who_does_not_read_is_given_up(application: tuple[int, int]) -> None:
    flow = AnswerFlow(replace(LIMITS, answer_grace_s=0.01, write_timeout_s=0.01))
    with pytest.raises(TooSlow):
        await asyncio.wait_for(asked(flow, Application(*application), Client()), PATIENCE_S)
    assert flow.held_bytes == 0


class Sender:
    """A client that sends its body piece by piece, when it is told to."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()

    async def receive(self):
        piece, has_more = await self.pieces.get()
        return {"type": "http.request", "body": piece, "more_body": has_more}


async def echo(_scope, receive, send) -> None:
    """Answers with the body that it was sent."""
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body, has_more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def test_while_a_body_is_on_its_way_others_have_the_turn() -> None:
    flow, sender, client, other = AnswerFlow(LIMITS), Sender(), Client(), Client()
    client.reads.set()
    other.reads.set()
    slow = asyncio.create_task(flow.serve(echo, SENT, sender.receive, client.send))
    sender.pieces.put_nowait((b"a", True))
    await rest()
    await asyncio.wait_for(asked(flow, Application(10), other), PATIENCE_S)
    assert other.body == b"x" * 10
    busy, waiting = Application(10), Client()
    busy.may.clear()
    waiting.reads.set()
    task = asked(flow, busy, waiting)
    await rest()
    sender.pieces.put_nowait((b"b", False))
    await rest()
    assert client.body == b"", "it has no turn yet"
    busy.may.set()
    await asyncio.gather(slow, task)
    assert client.body == b"ab"


async def test_a_body_that_does_not_come_is_given_up_and_leaves_the_turns_as_they_were() -> None:
    flow, sender = AnswerFlow(replace(LIMITS, header_timeout_s=0.01)), Sender()
    with pytest.raises(HTTPException) as caught:
        await asyncio.wait_for(flow.serve(echo, SENT, sender.receive, Client().send), PATIENCE_S)
    assert caught.value.status_code == 408
    client = Client()
    client.reads.set()
    for _ in range(3):
        await asyncio.wait_for(asked(flow, Application(1), client), PATIENCE_S)
    assert client.body == b"xxx"


async def test_a_body_for_which_there_is_no_turn_any_more_is_refused() -> None:
    flow, sender, application = AnswerFlow(LIMITS), Sender(), Application(1)
    late = asyncio.create_task(flow.serve(echo, SENT, sender.receive, Client().send))
    await rest()
    application.may.clear()
    clients = [Client(), Client()]
    tasks = [asked(flow, application, client) for client in clients]
    await rest()
    sender.pieces.put_nowait((b"a", False))
    with pytest.raises(TooManyClients):
        await late
    for client in clients:
        client.reads.set()
    application.may.set()
    await asyncio.gather(*tasks)
