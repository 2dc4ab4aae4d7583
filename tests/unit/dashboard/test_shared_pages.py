"""One answer for all who have the same page open."""

import asyncio
import itertools
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rtcdp.clock import ManualClock
from rtcdp.dashboard.kept_parts import REST
from rtcdp.dashboard.shared_pages import BEFORE_S, MANY, PAGES_MAX, REST_OF_MANY, shared_pages

HTML = {"content-type": "text/html; charset=utf-8", "etag": 'W/"1"'}
ASKING = {"accept": "text/html", "cache-control": "max-age=1", "accept-encoding": "zstd, br"}


class Server:
    """What stands for the router: it numbers its answers, and waits where it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.numbers = itertools.count()
        self.status, self.headers, self.took_ms = 200, HTML, 0
        self.go = asyncio.Event()
        self.go.set()
        self.is_refused = False
        self.registry = CollectorRegistry()
        self.app = shared_pages(
            self.answer, self.clock, lambda _: not self.is_refused, self.registry
        )

    async def answer(self, _scope: Any, _receive: Any, send: Any) -> None:
        number = next(self.numbers)
        await self.go.wait()
        self.clock.advance(self.took_ms)
        headers = [(name.encode(), text.encode()) for name, text in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": False})

    async def ask(self, path: str = "/", **headers: str | None) -> tuple[int, str]:
        sent: list[Any] = []
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        every = {name: text for name, text in {**ASKING, **named}.items() if text is not None}
        path, _, query = path.partition("?")
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in every.items()],
        }

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, None, send)  # type: ignore[arg-type]
        assert len(sent) == 2
        return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture
async def server() -> Server:
    return Server()


async def numbers(server: Server, *asked: dict[str, Any]) -> list[str]:
    return [(await server.ask(**each))[1] for each in asked]


async def test_a_page_is_rendered_once_while_it_is_new(server: Server) -> None:
    assert await numbers(server, {}, {}, {}) == ["0", "0", "0"]
    server.clock.advance(1000)
    assert await numbers(server, {}, {}) == ["1", "1"]
    told = [
        server.registry.get_sample_value("rtcdp_shared_pages_total", {"answer": name})
        for name in ("rendered", "given")
    ]
    assert told == [2, 3]


async def test_a_page_that_takes_long_rests_longer(server: Server) -> None:
    server.took_ms = 300
    await server.ask()
    server.clock.advance(REST * 300 - 1)
    assert await server.ask() == (200, "0")
    server.clock.advance(1)
    assert await server.ask() == (200, "1")


async def test_a_page_that_many_have_open_rests_even_longer(server: Server) -> None:
    server.took_ms = 300
    for _ in range(1 + MANY):
        await server.ask()
    server.clock.advance(REST * 300)
    assert await server.ask() == (200, "1")
    server.clock.advance(REST_OF_MANY * 300 - 1)
    assert await server.ask() == (200, "1")
    server.clock.advance(2)
    assert await server.ask() == (200, "2")
    # Few have asked for that one.
    server.clock.advance(REST * 300 + 1)
    assert await server.ask() == (200, "3")


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/?last=7d"},
        {"path": "/explore"},
        {"accept_encoding": "gzip"},
        {"cookie": "rtcdp-tz=Europe%2FBerlin"},
    ],
)
async def test_whoever_asks_for_another_one_gets_that(
    server: Server, other: dict[str, Any]
) -> None:
    assert await numbers(server, {}, other, {}, other) == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    "other",
    [{"cache_control": None}, {"cache_control": "no-cache"}, {"accept": "*/*"},
     {"accept_encoding": None}],
)  # fmt: skip
async def test_who_does_not_want_to_share_gets_one_of_their_own(
    server: Server, other: dict[str, Any]
) -> None:
    assert await numbers(server, {}, other, other, {}) == ["0", "1", "2", "0"]


async def test_many_who_ask_first_wait_for_one(server: Server) -> None:
    server.go.clear()
    asked = [asyncio.create_task(server.ask()) for _ in range(5)]
    await asyncio.sleep(0)
    server.took_ms = 5000
    server.go.set()
    assert {answer for _, answer in await asyncio.gather(*asked)} == {"0"}


async def test_nobody_waits_for_the_next_one_but_who_asked_for_it(server: Server) -> None:
    await server.ask()
    server.clock.advance(1000)
    server.go.clear()
    first = asyncio.create_task(server.ask())
    await asyncio.sleep(0)
    assert await numbers(server, {}, {}) == ["0", "0"]
    # What is too old by then is given to nobody.
    server.clock.advance(round(1000 * BEFORE_S))
    late = asyncio.create_task(server.ask())
    await asyncio.sleep(0)
    assert not late.done()
    server.go.set()
    assert (await first)[1] == (await late)[1] == "1"


async def test_who_may_not_know_is_left_to_the_router(server: Server) -> None:
    await server.ask()
    server.is_refused = True
    assert await numbers(server, {}, {}) == ["1", "2"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(503, HTML), (200, {"content-type": "application/json", "etag": 'W/"1"'}),
     (200, {"content-type": "text/html"})],
)  # fmt: skip
async def test_what_is_no_page_is_not_kept(
    server: Server, status: int, headers: dict[str, str]
) -> None:
    server.status, server.headers = status, headers
    assert await numbers(server, {}, {}) == ["0", "1"]


async def test_what_went_wrong_is_not_kept(server: Server) -> None:
    async def broken() -> None:
        raise ValueError("away")

    server.go.wait = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(ValueError, match="away"):
        await server.ask()
    server.go = asyncio.Event()
    server.go.set()
    assert await server.ask() == (200, "1")


async def test_whoever_has_it_is_not_sent_it_again(server: Server) -> None:
    tag = HTML["etag"]
    assert await server.ask(if_none_match=tag) == (304, "")
    assert await server.ask(if_none_match=tag) == (304, "")
    assert await server.ask() == (200, "0")


async def test_only_so_many_are_kept(server: Server) -> None:
    for number in range(PAGES_MAX + 1):
        await server.ask(f"/{number}")
    assert await numbers(server, {"path": f"/{PAGES_MAX}"}, {"path": "/0"}) == [
        str(PAGES_MAX),
        str(PAGES_MAX + 1),
    ]


async def test_nobody_waits_for_the_others_where_all_get_one_of_their_own(server: Server) -> None:
    server.status = 503
    await server.ask()
    server.go.clear()
    asked = [asyncio.create_task(server.ask()) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert next(server.numbers) == 1 + len(asked)
    server.go.set()
    assert len({answer for _, answer in await asyncio.gather(*asked)}) == len(asked)
    server.status = 200
    server.clock.advance(1000)
    assert len(set(await numbers(server, {}, {}))) == 1


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_who_is_refused_keeps_nobody_from_sharing(server: Server, status: int) -> None:
    server.status = status
    assert await server.ask() == (status, "0")
    server.status = 200
    assert await numbers(server, {}, {}) == ["1", "1"]
