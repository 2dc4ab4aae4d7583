"""Reads a request's body from the server, no further than a limit allows."""

import asyncio
from typing import TYPE_CHECKING

from rtcdp.intake.collector import Collector
from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.transfers import GaveWay, Transfer

if TYPE_CHECKING:
    from litestar.types import Receive, ReceiveMessage


class HeldBody:
    """A body while it is read, counted as held by the collector until the `with` block ends.

    `chunks` are what has come of it, and `is_whole` says whether that is all, so that somebody else
    may go on with one that is too large here."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._held_bytes = 0
        self._transfer: Transfer | None = None
        self._is_slow = False
        self._length = -1
        self.chunks: list[bytes] = []
        self.is_whole = False

    def __enter__(self) -> "HeldBody":
        return self

    def __exit__(self, *_: object) -> None:
        self._collector.release(self.held_bytes)

    async def read(self, receive: "Receive", content_length: bytes | None) -> bytes:
        """The whole body.

        `content_length` is the header's value, None where the body has another framing: the server
        sees to it that a body is no longer than it says. A body that is there is whole, whatever
        the server says is to come: it says so of each, and to ask again costs as much as to read.
        Raises `RequestRefused`: body_too_large (413) as soon as that is known, body_timeout and
        body_too_slow (408), overloaded (503), body_damaged (400) when the rest can't be read, be it
        damaged or the client gone.
        """
        limits = self._collector.limits
        if content_length is not None and content_length.isdigit():
            self._length = int(content_length[:20])
            self._check_size(self._length)
        first_s = min(limits.body_grace_s, limits.body_timeout_s)
        self._is_slow = first_s < limits.body_timeout_s
        try:
            with self._collector.deadlines.within(first_s):
                # Nearly every body is one message, and this is all that it costs.
                message = await receive()
                chunk, has_more = self._held(message)
                if has_more:
                    return await self._rest(receive, chunk)
        except TimeoutError as error:
            if self._is_slow:
                raise self._too_slow() from error
            raise RequestRefused(
                "body_timeout", f"send the whole body within {limits.body_timeout_s:g} s"
            ) from error
        self.chunks, self.is_whole = [chunk], True
        return chunk

    async def _rest(self, receive: "Receive", first: bytes) -> bytes:
        collector = self._collector
        self.chunks = chunks = [first]
        has_more = True
        try:
            with collector.transfers.under_way() as transfer:
                transfer.held_bytes = transfer.moved_bytes = len(first)
                self._transfer, self._held_bytes = transfer, 0
                while has_more:
                    self._move_deadline(transfer)
                    chunk, has_more = self._held(await receive())
                    chunks.append(chunk)
                # From here on it is the collector's time, not the client's.
                self._held_bytes, self._transfer = transfer.held_bytes, None
                transfer.held_bytes = 0
        except GaveWay as error:
            raise self._too_slow() from error
        whole = b"".join(chunks)
        self.chunks, self.is_whole = [whole], True
        return whole

    @property
    def held_bytes(self) -> int:
        """What is held now."""
        return self._held_bytes + (self._transfer.held_bytes if self._transfer else 0)

    def _move_deadline(self, transfer: Transfer) -> None:
        limits = self._collector.limits
        due_s = limits.body_grace_s + transfer.moved_bytes / limits.min_body_bytes_per_s
        self._is_slow = due_s < limits.body_timeout_s
        spent_s = asyncio.get_running_loop().time() - transfer.began_at
        self._collector.deadlines.move(min(due_s, limits.body_timeout_s) - spent_s)

    def _held(self, message: "ReceiveMessage") -> tuple[bytes, bool]:
        """The chunk in a message, held, and whether there are others."""
        if message["type"] != "http.request":
            raise RequestRefused("body_damaged", "send the body whole, as its headers say")
        chunk: bytes = message.get("body", b"")
        if self.held_bytes + len(chunk) > self._collector.limits.max_body_bytes:
            self.chunks.append(chunk)
        self._check_size(self.held_bytes + len(chunk))
        has_more = bool(message.get("more_body", False))
        if has_more and self.held_bytes + len(chunk) == self._length:
            has_more = False
        self._hold(len(chunk), is_part=has_more)
        return chunk, has_more

    def _hold(self, size: int, *, is_part: bool) -> None:
        collector = self._collector
        while True:
            try:
                if is_part:
                    collector.check_share(collector.transfers.held_bytes + size)
                collector.hold(size)
                break
            except RequestRefused:
                if not collector.transfers.make_room():
                    raise
        if self._transfer is None:
            self._held_bytes += size
        else:
            self._transfer.held_bytes += size
            self._transfer.moved_bytes += size

    def _too_slow(self) -> RequestRefused:
        limits = self._collector.limits
        return RequestRefused(
            "body_too_slow",
            f"send at least {limits.min_body_bytes_per_s} bytes a second; when there is no room "
            "for faster ones, the slowest gives way: send it again, in smaller requests",
        )

    def _check_size(self, size: int) -> None:
        if size > self._collector.limits.max_body_bytes:
            raise RequestRefused(
                "body_too_large",
                f"send at most {self._collector.limits.max_body_bytes} bytes a request; "
                "split the events over several requests, or compress them",
            )
