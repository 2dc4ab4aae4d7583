"""Pages that render themselves again, for many who have the same one open: one answer for all.

An answer that one of them got is given to the others for a while, as it went out: past the router,
its threads and the turns of answers, and without being compressed again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType
from prometheus_client import CollectorRegistry, Counter

from rtcdp.api.compression import encoding_for
from rtcdp.api.manners import conditional
from rtcdp.api.measuring import name_route, route_of
from rtcdp.clock import Clock
from rtcdp.dashboard.kept_parts import KEPT_S, REST, kept_until
from rtcdp.dashboard.zone import zone_kept

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

SHARED = f"max-age={KEPT_S:.0f}"
"""What a page that renders itself again says: an answer that another one got will do."""

MANY, REST_OF_MANY = 10, 24
"""What was given to so many others rests for so many times as long as it took."""

BEFORE_S = 5.0
"""So long after its time an answer is still given while the next one is rendered."""

PAGES_MAX = 64
BYTES_MAX = 128 * 1024
"""An answer that is longer is given to nobody else."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
"""What says of whoever asked that they may not, and of the page nothing."""

_SHARED = SHARED.encode()
_HTML = b"text/html"
_Name = tuple[bytes, bytes, str, str]

_zone_of = lru_cache(maxsize=1024)(lambda cookies: zone_kept(cookies).name)
_encoding_of = lru_cache(maxsize=1024)(encoding_for)


@dataclass(frozen=True)
class _Answer:
    """An answer as it went out, and the label that its route has."""

    messages: tuple[Any, ...]
    route: str

    @property
    def is_for_all(self) -> bool:
        """Whether it is a page, which says so by its entity tag, and nobody's own."""
        start = self.messages[0]
        headers = dict(start.get("headers", ()))
        is_page = headers.get(b"content-type", b"").startswith(_HTML) and b"etag" in headers
        size = sum(len(each.get("body", b"")) for each in self.messages)
        return start.get("status") == HTTPStatus.OK and is_page and size <= BYTES_MAX

    @property
    def is_refusal(self) -> bool:
        return self.messages[0].get("status") in REFUSED


@dataclass
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = float("-inf")
    alone_until: float = float("-inf")
    answer: _Answer | None = None
    given: int = 0


def shared_pages(
    app: "ASGIApp",
    clock: Clock,
    may: Callable[["HTTPScope"], bool] = lambda _: True,
    registry: CollectorRegistry | None = None,
) -> "ASGIApp":
    """`app`, whose pages are rendered once for all who ask for the same one with `SHARED`: at most
    `KEPT_S` before it was asked for, or, where that is longer, as long ago as it took and it rests
    after that (`rtcdp.dashboard.kept_parts`). While one of them has it rendered anew, the others
    are given the one of before. `may` says whether whoever asks may know; who may not is left to
    `app`, which says why. `registry` tells how many were rendered, and how many given. For one
    event loop."""
    pages = _SharedPages(app, clock, may, registry)
    shared = conditional(pages.answer)

    async def sharing(scope: "Scope", receive: "Receive", send: "Send") -> None:
        await (app if _name_of(scope) is None else shared)(scope, receive, send)

    return sharing


class _SharedPages:
    """The answers that are kept, the last `PAGES_MAX` of them."""

    def __init__(
        self,
        app: "ASGIApp",
        clock: Clock,
        may: Callable[["HTTPScope"], bool],
        registry: CollectorRegistry | None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._may = may
        meaning = "Answers to pages that render themselves again: rendered anew, or given as kept."
        counted = Counter("rtcdp_shared_pages", meaning, ("answer",), registry=registry)
        self._rendered, self._given = (counted.labels(answer) for answer in ("rendered", "given"))
        self._kept: OrderedDict[_Name, _Kept] = OrderedDict()

    async def answer(self, scope: Any, receive: "Receive", send: "Send") -> None:
        """Answer a request that has a name."""
        kept, asked = self._named(scope), self._clock.monotonic()
        answer = kept.answer if asked < kept.until else None
        if kept.lock.locked() and asked < kept.until + BEFORE_S:
            answer = kept.answer
        if answer is None and asked >= kept.alone_until:
            async with kept.lock:
                is_alone = self._clock.monotonic() < kept.alone_until
                if asked >= kept.until and not is_alone:
                    await self._render(kept, scope, receive, send)
                    return
            answer = kept.answer if asked < kept.until else None
        # Asked last, as each asking counts.
        if answer is None or not self._may(scope):
            await self._app(scope, receive, send)
            return
        kept.given += 1
        self._given.inc()
        name_route(scope, answer.route)
        for message in answer.messages:
            copied: Any = {**message}
            await send(copied)

    def _named(self, scope: Any) -> _Kept:
        name = _name_of(scope)
        assert name is not None
        kept = self._kept.setdefault(name, _Kept())
        self._kept.move_to_end(name)
        if len(self._kept) > PAGES_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _render(self, kept: _Kept, scope: Any, receive: "Receive", send: "Send") -> None:
        """Have it rendered for whoever asks, and keep it for the others."""
        messages: list[Any] = []
        began = self._clock.monotonic()

        async def sent(message: Any) -> None:
            messages.append({**message})
            if not message.get("more_body", True):
                self._rendered.inc()
                answer = _Answer(tuple(messages), route_of(scope))
                ended = self._clock.monotonic()
                if answer.is_for_all:
                    kept.alone_until = float("-inf")
                    rest = REST_OF_MANY if kept.given >= MANY else REST
                    kept.until = kept_until(began, ended, rest)
                    kept.answer, kept.given = answer, 0
                elif not answer.is_refusal:
                    # Whoever can't be given the same does not wait for the others either.
                    kept.alone_until = ended + KEPT_S
            await send(message)

        others = [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]
        unconditional: Any = {**scope, "headers": others}
        await self._app(unconditional, receive, sent)


def _name_of(scope: Any) -> _Name | None:
    """What an answer is kept by: all that it depends on; None where it can't be anybody else's."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "GET":
        return None
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers[name] = headers[name] + b"," + value if name in headers else value
    if headers.get(b"cache-control") != _SHARED or _HTML not in headers.get(b"accept", b""):
        return None
    encoding = _encoding_of(headers.get(b"accept-encoding", b"").decode("latin-1"))
    if encoding is None:
        # As long as it is, it leaves within the limits on answers.
        return None
    zone = _zone_of(headers.get(b"cookie", b"").decode("latin-1"))
    return scope["raw_path"], scope["query_string"], zone, encoding
