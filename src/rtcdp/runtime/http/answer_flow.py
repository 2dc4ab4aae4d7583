"""Between the API and the network: how many answers are worked out, and how much of them is held.

An answer of some megabytes is a multiple of that while it is worked out, and waits in memory for as
long as its client takes to read it. Both are bounded here, in one place, whatever the route.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Gauge

from rtcdp.access.gate import SAFE_METHODS
from rtcdp.api.limits import HttpLimits
from rtcdp.api.problem import TooManyClients
from rtcdp.intake.deadlines import Deadlines
from rtcdp.intake.transfers import GaveWay, Transfers

SLICE_BYTES = 65_536
_RETRY_AFTER = b"1"
_POLL_S = 0.05
_FEWER = "send the request again, and fewer at a time, or ask for less with limit"
_TOO_LATE = "the body took too long to arrive: send it whole, and at once"


class TooSlow(Exception):
    """The client doesn't read its answer fast enough: the rest of it is not sent."""


class _NoRoom(Exception):
    """There is no room for this answer now."""


class AnswerFlow:
    """Bounds the answers of one event loop, and what they hold."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._deadlines = Deadlines()
        self._transfers = Transfers(self._release)
        self._working = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self.held_bytes = 0

    def instrument(self, registry: CollectorRegistry) -> None:
        """Let `registry` tell of it from now on."""
        answers = Gauge(
            "rtcdp_answers",
            "Answers that are worked out now, and requests that wait for their turn.",
            ("state",),
            registry=registry,
        )
        answers.labels("under_way").set_function(lambda: self._working)
        answers.labels("waiting").set_function(lambda: len(self._turns))
        held = "What long answers on their way hold."
        gauge = Gauge("rtcdp_answers_held_bytes", held, registry=registry)
        gauge.set_function(lambda: self.held_bytes)

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run `app` for one request when it is its turn, and send its answer within the limits."""
        if not await self._has_turn():
            await _refuse(send)
            return
        answer = _Answer(self, send)
        if scope["type"] == ScopeType.HTTP and scope["method"] not in SAFE_METHODS:
            receive = _Body(answer, receive, self._limits.header_timeout_s).receive
        try:
            await app(scope, receive, answer.send)
        finally:
            answer.end_work()

    async def begin_turn(self) -> None:
        """Wait for a turn once more. Raises `TooManyClients` when there are too many already."""
        if not await self._has_turn():
            raise TooManyClients("the server has too many answers under way", _FEWER)

    def end_turn(self) -> None:
        """One answer less is worked out: the next one may be."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._working -= 1

    async def send_long(self, send: Send, start: Any, body: bytes) -> None:
        """Send an answer by and by. Raises `TooSlow` when the client is."""
        limits = self._limits
        try:
            await self._make_room(len(body))
        except _NoRoom:
            await _refuse(send)
            return
        loop = asyncio.get_running_loop()
        try:
            with (
                self._transfers.under_way() as transfer,
                self._deadlines.within(limits.answer_grace_s),
            ):
                transfer.held_bytes = len(body)
                try:
                    await send(start)
                    for first in range(0, len(body), SLICE_BYTES):
                        due_s = limits.answer_grace_s + first / limits.min_answer_bytes_per_s
                        self._deadlines.move(due_s - (loop.time() - transfer.began_at))
                        following = first + SLICE_BYTES
                        await send(_piece(body[first:following], following < len(body)))
                        transfer.moved_bytes = following
                finally:
                    held, transfer.held_bytes = transfer.held_bytes, 0
                    self._release(held)
        except (TimeoutError, GaveWay) as error:
            raise TooSlow("the client reads its answer too slowly") from error

    async def send_live(self, send: Send, message: Any) -> None:
        """Send one piece of a stream. Raises `TooSlow` when the client doesn't take it."""
        try:
            with self._deadlines.within(self._limits.write_timeout_s):
                await send(message)
        except TimeoutError as error:
            raise TooSlow("the client doesn't take its stream") from error

    async def _has_turn(self) -> bool:
        if self._working < self._limits.max_answers:
            self._working += 1
            return True
        if len(self._turns) >= self._limits.max_waiting_answers:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end_turn()
            raise
        return True

    async def _make_room(self, size: int) -> None:
        """Hold `size` bytes more. An answer that is larger than the limit is sent alone."""
        patience_s = self._limits.patience_s
        while self.held_bytes and self.held_bytes + size > self._limits.max_answer_bytes:
            if self._transfers.make_room():
                continue
            if patience_s <= 0:
                raise _NoRoom
            await asyncio.sleep(_POLL_S)
            patience_s -= _POLL_S
        self.held_bytes += size

    def _release(self, size: int) -> None:
        self.held_bytes -= size


class _Answer:
    """One answer as it comes from the application."""

    def __init__(self, flow: AnswerFlow, send: Send) -> None:
        self._flow = flow
        self._send = send
        self._start: Any = None
        self._is_working = True
        self.is_begun = False

    def end_work(self) -> None:
        if self._is_working:
            self._is_working = False
            self._flow.end_turn()

    async def begin_work(self) -> None:
        await self._flow.begin_turn()
        self._is_working = True

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.is_begun = True
            self._start = message
            return
        self.end_work()
        start, self._start = self._start, None
        body = message.get("body", b"")
        has_more = message.get("more_body", False)
        if start is not None and not has_more and len(body) > SLICE_BYTES:
            await self._flow.send_long(self._send, start, body)
            return
        if start is not None:
            await self._send(start)
        if has_more:
            await self._flow.send_live(self._send, message)
        else:
            await self._send(message)


class _Body:
    """The body of a question. While it is on its way others have the turn, and it has to be there
    in time. It is asked for by routes that have let the client in, and bound how long it is."""

    def __init__(self, answer: _Answer, receive: Receive, patience_s: float) -> None:
        self._answer = answer
        self._receive = receive
        self._patience_s = patience_s
        self._is_whole = False

    async def receive(self) -> Any:
        """What comes next. Raises `HTTPException` (408) when it doesn't, and `TooManyClients`."""
        if self._is_whole or self._answer.is_begun:
            return await self._receive()
        self._answer.end_work()
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            async with asyncio.timeout(self._patience_s):
                message: Any = await self._receive()
        except TimeoutError as error:
            raise HTTPException(_TOO_LATE, status_code=408) from error
        self._patience_s -= clock() - began_s
        self._is_whole = not message.get("more_body", False)
        if self._is_whole:
            await self._answer.begin_work()
        return message


def _piece(body: bytes, has_more: bool) -> Any:
    return {"type": "http.response.body", "body": body, "more_body": has_more}


async def _refuse(send: Send) -> None:
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": f"the server has too many answers under way: {_FEWER}",
            "hint": _FEWER,
            "code": "overloaded",
        }
    )
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", _RETRY_AFTER),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send(_piece(body, False))
