"""Reads a request's body from the server, no further than a limit allows."""

from typing import TYPE_CHECKING

from rtcdp.collector.collector import Collector
from rtcdp.collector.problem import RequestRefused

if TYPE_CHECKING:
    from litestar.types import Receive


class ClientGone(Exception):
    """The client hung up before its request was complete: nobody waits for an answer."""


class HeldBody:
    """A body while it is read, counted as held by the collector until the `with` block ends."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._held_bytes = 0

    def __enter__(self) -> "HeldBody":
        return self

    def __exit__(self, *_: object) -> None:
        self._collector.release(self._held_bytes)

    async def read(self, receive: "Receive", content_length: bytes | None) -> bytes:
        """The whole body.

        `content_length` is the header's value, which is believed only where it is too large.
        Raises `RequestRefused`: body_too_large (413) as soon as that is known, body_timeout (408),
        overloaded (503). Raises `ClientGone` when the client hung up.
        """
        limits = self._collector.limits
        if content_length is not None and content_length.isdigit():
            self._check_size(int(content_length[:20]))
        try:
            with self._collector.deadlines.within(limits.body_timeout_s):
                return await self._read(receive)
        except TimeoutError as error:
            raise RequestRefused(
                "body_timeout", f"send the whole body within {limits.body_timeout_s:g} s"
            ) from error

    async def _read(self, receive: "Receive") -> bytes:
        chunks: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            chunk = message.get("body", b"")
            self._check_size(self._held_bytes + len(chunk))
            self._collector.hold(len(chunk))
            self._held_bytes += len(chunk)
            if not message.get("more_body", False):
                return b"".join([*chunks, chunk]) if chunks else chunk
            chunks.append(chunk)

    def _check_size(self, size: int) -> None:
        if size > self._collector.limits.max_body_bytes:
            raise RequestRefused(
                "body_too_large",
                f"send at most {self._collector.limits.max_body_bytes} bytes a request; "
                "split the events over several requests, or compress them",
            )
