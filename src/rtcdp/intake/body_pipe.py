"""A body of any size on its way from the event loop, where it arrives, to a thread that reads it as
a file; only a piece of it is in memory at any time."""

import asyncio
import contextlib
import io
from collections import deque
from threading import Condition
from typing import TYPE_CHECKING

from rtcdp.intake.collector import Collector
from rtcdp.intake.problem import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import WriteableBuffer
    from litestar.types import Receive, ReceiveMessage

PIPE_BYTES = 2**20
"""So much waits for the thread; with more, nothing is read from the network."""

_WAKE_BYTES = 128 * 1024
"""The thread is woken for so much, or for the end: a wake costs as much as some hundred lines."""


class BodyPipe(io.RawIOBase):
    """The reading end, for one thread, and `fill` for the event loop. Use it once.

    Reading raises what the pipe was ended with, if the body did not arrive whole.
    """

    def __init__(self, on_read: "Callable[[memoryview], None]" = lambda _: None) -> None:
        super().__init__()
        self._changed = Condition()
        self._chunks = deque[memoryview]()
        self._held_bytes = 0
        self._is_whole = False
        self._trouble: BaseException | None = None
        self._on_read = on_read
        self._loop = asyncio.get_running_loop()
        self._has_room = asyncio.Event()

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Waits until there is something, and gives 0 at the end."""
        room = memoryview(buffer).cast("B")
        with self._changed:
            self._changed.wait_for(self._is_worth_reading)
            if self._trouble is not None:
                raise self._trouble
            done = 0
            while self._chunks and done < len(room):
                chunk = self._chunks.popleft()
                part = chunk[: len(room) - done]
                room[done : done + len(part)] = part
                done += len(part)
                if len(part) < len(chunk):
                    self._chunks.appendleft(chunk[len(part) :])
            self._held_bytes -= done
        self._tell_of_room()
        self._on_read(room[:done])
        return done

    @property
    def trouble(self) -> BaseException | None:
        """Why it was ended before it was whole."""
        return self._trouble

    def end(self, trouble: BaseException) -> None:
        """Nothing more comes; unless the body is whole, reading raises `trouble`."""
        with self._changed:
            if not self._is_whole:
                self._trouble = self._trouble or trouble
            self._changed.notify_all()
        self._tell_of_room()

    async def fill(
        self, receive: "Receive | None", collector: Collector, head: "Sequence[bytes]"
    ) -> None:
        """Take the body off the network as fast as it is read, after `head`, which has come
        already; that is all of it where there is nothing to `receive`. Ends it, where it does not
        arrive whole, with the `RequestRefused` that says why: body_too_slow (408), body_damaged
        (400), shutting_down (503).

        Only the time in which the client is waited for is the client's.
        """
        try:
            for chunk in head:
                await self._put(chunk)
            if receive is not None:
                await self._fill(receive, collector)
        except RequestRefused as refused:
            self.end(refused)
        else:
            with self._changed:
                self._is_whole = True
                self._changed.notify_all()

    async def _fill(self, receive: "Receive", collector: Collector) -> None:
        limits, clock = collector.limits, asyncio.get_running_loop().time
        waited_s, moved_bytes, has_more = 0.0, 0, True
        while has_more:
            collector.check_open()
            began_s = clock()
            due_s = limits.body_grace_s + moved_bytes / limits.min_body_bytes_per_s - waited_s
            try:
                with collector.deadlines.within(min(due_s, limits.body_timeout_s)):
                    chunk, has_more = _part_of(await receive())
            except TimeoutError as error:
                raise RequestRefused(
                    "body_too_slow",
                    f"send at least {limits.min_body_bytes_per_s} bytes a second, and rest no "
                    f"longer than {limits.body_timeout_s:g} s",
                ) from error
            waited_s += clock() - began_s
            moved_bytes += len(chunk)
            await self._put(chunk)

    async def _put(self, chunk: bytes) -> None:
        if not chunk:
            return
        with self._changed:
            self._chunks.append(memoryview(chunk))
            self._held_bytes += len(chunk)
            if self._held_bytes >= _WAKE_BYTES:
                self._changed.notify_all()
        while self._held_bytes >= PIPE_BYTES and self._trouble is None:
            self._has_room.clear()
            if self._held_bytes >= PIPE_BYTES:
                await self._has_room.wait()

    def _tell_of_room(self) -> None:
        # The loop may have been closed: nobody waits then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._has_room.set)

    def _is_worth_reading(self) -> bool:
        return self._held_bytes >= _WAKE_BYTES or self._is_whole or self._trouble is not None


def _part_of(message: "ReceiveMessage") -> tuple[bytes, bool]:
    """The part of the body that a message brings, and whether there are others."""
    if message["type"] != "http.request":
        raise RequestRefused("body_damaged", "send the body whole, as its headers say")
    return message.get("body", b""), bool(message.get("more_body", False))
