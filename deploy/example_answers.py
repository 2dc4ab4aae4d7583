"""Asks a shop that a seed has made up, and writes its answers down as the examples of `/docs`.

python -m deploy.example_answers

Engine, store, collector and API are the real ones; the log is in memory, and the clock stands
still, so that the same answers come each time.
"""

import asyncio
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry

from rtcdp.answers.freshness import Installation
from rtcdp.answers.mending import MendedIntake
from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_config
from rtcdp.api.examples import EXAMPLES_FILE, Example
from rtcdp.api.live import LiveFeed
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.events.product_update import decode_product_update
from rtcdp.intake.collector import Collector
from rtcdp.intake.documentation import document_collector
from rtcdp.intake.routes import collector_routes
from rtcdp.log.contract import Appended, Delivery
from rtcdp.sources.synthetic.history import History, Past
from rtcdp.sources.synthetic.products import product_lines
from rtcdp.testing.driver import Driver

DAYS, USERS, SEED = 14, 1500, 7
"""Which past the shop has: see `rtcdp.sources.synthetic.history.Past`."""

FOLDS = (
    *("cart_outcomes", "daily_retention", "page_paths", "product_sessions"),
    *("recommendation_outcomes", "sessions", "shop_funnel"),
)
"""Which folds it has: lists of them stay the same when the catalog gets others."""

_CATALOG = Path(__file__).parents[1] / "examples" / "recommendations"
_MARK = "1f2e3d4c5b6a7988"
_SHOWN = f"user-recommended-1768512000000-{_MARK}"
"""The name that a recommendation was given."""

_KEPT_ITEMS = 3
_KEPT_LINES = 12
_ADA = {"userId": "ada", "eventType": "PAGE_VIEW", "pageUrl": "/hello"}


@dataclass(frozen=True)
class Ask:
    """What is asked: `path` as it is described, `names` what stands in it, and the query."""

    path: str
    names: Mapping[str, str]
    query: Mapping[str, Any]
    verb: str = "GET"
    body: Any = None

    @property
    def address(self) -> str:
        path = self.path
        for name, text in self.names.items():
            path = path.replace(f"{{{name}}}", text)
        return f"{path}?{urlencode(self.query, doseq=True)}" if self.query else path


def ask(path: str, names: Mapping[str, str] | None = None, **query: Any) -> Ask:
    """A question with GET; `from_` in the query is `from`."""
    return Ask(path, names or {}, {name.rstrip("_"): value for name, value in query.items()})


def post(path: str, body: Any, **names: str) -> Ask:
    """A question with POST."""
    return Ask(path, names, {}, "POST", body)


class _DriverClock:
    """Shows the driver's time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def now_ms(self) -> int:
        return self._driver.now_ms

    def monotonic(self) -> float:
        return self._driver.now_ms / 1000


@dataclass(frozen=True)
class Shop:
    """A running platform with a past: the driver of its engine, and its API."""

    driver: Driver
    context: ApiContext
    client: TestClient[Any]

    def found(self, address: str) -> Any:
        """What the API answers there, as JSON."""
        return self.client.get(address).raise_for_status().json()


@contextmanager
def shop() -> Iterator[Shop]:
    """A platform whose log holds a past, an event that came too late, one that came twice, and
    what is no event; all of it counted."""
    with tempfile.TemporaryDirectory() as directory:
        metrics = load_catalog()
        folds = [fold for fold in load_folds(_CATALOG) if fold.name in FOLDS]
        driver = Driver(metrics, Path(directory), folds=folds)
        clock = _DriverClock(driver)
        driver.advance(seconds=(DAYS * 24 + 21.5) * 3600)
        driver.update_products(*map(msgspec.json.decode, product_lines()))
        past = Past(days=DAYS, users=USERS, seed=SEED, until_ms=driver.now_ms)
        for told in History(past).tell():
            driver.feed(*told.lines, intake="import")
        _send_flaws(driver)
        driver.process()
        context = ApiContext(
            Installation(driver.store, metrics, clock, log=driver.log, folds=folds),
            writable=driver.store,
            mended_intake=MendedIntake(lambda deliveries: _counted(driver, deliveries)),
        )
        collectors = (
            Collector(driver.log, clock),
            Collector(driver.product_log, clock, judge=decode_product_update),
        )
        app = Litestar(
            route_handlers=[*api_routes(context), *collector_routes(*collectors)],
            exception_handlers=exception_handlers,
            openapi_config=openapi_config,
            on_startup=[document_collector],
            logging_config=None,
        )
        with TestClient(with_manners(app)) as client:
            yield Shop(driver, context, client)
        for collector in collectors:
            collector.close()
        driver.close()


def _send_flaws(driver: Driver) -> None:
    """Somebody is here now, and what they send isn't all right."""
    here = {**_ADA, "eventId": "ada-1", "timestamp": driver.now_ms}
    late = {**_ADA, "eventId": "ada-2", "timestamp": driver.now_ms - 48 * 3_600_000}
    shown = {
        "userId": "ada",
        "timestamp": driver.now_ms,
        "properties": {"recommendationId": _SHOWN},
    }
    seen = {**shown, "eventId": "ada-3", "eventType": "RECOMMENDATION_SHOWN"}
    click = {**shown, "eventId": "ada-4", "eventType": "PRODUCT_VIEW", "productId": "hose-pro"}
    driver.feed(here, here, late, seen, click, b'{"userId": "ada"}', source="web")
    cheap = b'{"productId": "hose-pro", "price": -1}'
    driver.product_log.append([Delivery(b"", 0, driver.now_ms, rejects=((0, cheap),))])
    driver.advance(seconds=0.4)


def _counted(driver: Driver, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
    appended = driver.log.append(deliveries)
    driver.process()
    return appended


def questions(shop: Shop) -> Iterator[Ask]:
    """What is asked, one after the other: at first what changes nothing."""
    yield from _numbers(shop)
    yield from _what_is_behind(shop)
    yield from _operation(shop)
    yield from _sent(shop.driver.now_ms)


def _numbers(shop: Shop) -> Iterator[Ask]:
    yield ask("/api/analytics/user/{userId}/page-views", {"userId": "ada"}, limit=2)
    yield ask("/api/analytics/recent-page-views", minutes=5, limit=2)
    yield ask("/api/query", metrics="revenue.revenue", interval="week", since="14d")
    yield ask("/api/folds/{name}", {"name": "shop_funnel"}, limit=2)
    yield ask("/api/sessions/days", since="2d")
    yield ask("/api/funnels/{name}", {"name": "shop_funnel"}, since="7d")
    yield ask("/api/retention/{name}", {"name": "daily_retention"}, since="7d")
    yield ask("/api/paths/{name}", {"name": "page_paths"}, since="7d", limit=2)
    yield ask("/api/joins/{name}", {"name": "cart_outcomes"}, limit=2)
    yield ask("/api/joins/{name}/totals", {"name": "cart_outcomes"}, since="7d")
    recommended = "/api/recommendations"
    yield ask(f"{recommended}/user/{{userId}}", {"userId": _bought(shop)["userId"]}, limit=2)
    yield ask(f"{recommended}/product/{{productId}}", {"productId": "hose-pro"}, limit=2)
    yield post(f"{recommended}/basket", {"items": ["hose-pro", "lantern-plus"], "limit": 2})
    yield ask(f"{recommended}/trending", limit=2)
    yield ask("/api/products", limit=2)
    yield ask("/api/products/{productId}", {"productId": "hose-pro"})


def _bought(shop: Shop) -> Any:
    """A cart that was bought, as a row."""
    return shop.found("/api/joins/cart_outcomes?outcome=converted&limit=1")["items"][0]


def _what_is_behind(shop: Shop) -> Iterator[Ask]:
    ended = _bought(shop)
    visit = shop.found(f"/api/sessions?userId={ended['userId']}&limit=1")["items"][0]
    yield ask("/api/events", eventType="PURCHASE", order="desc", limit=2)
    yield ask("/api/sessions", limit=2)
    yield ask("/api/sessions/{sessionId}/events", {"sessionId": visit["id"]}, limit=2)
    yield ask("/api/users/{userId}", {"userId": ended["userId"]}, limit=2)
    yield ask("/api/funnels/{name}/people", {"name": "shop_funnel"}, step="cart", limit=2)
    yield ask("/api/retention/{name}/people", {"name": "daily_retention"}, limit=2)
    yield ask("/api/paths/{name}/people", {"name": "page_paths"}, limit=2)
    yield ask("/api/joins/{name}/{rowId}/events", {"name": "cart_outcomes", "rowId": ended["id"]})
    yield ask("/api/anomalies", since="14d", limit=2)
    anomaly = shop.found("/api/anomalies?since=14d&limit=1")["items"][0]["id"]
    yield ask("/api/anomalies/{anomalyId}", {"anomalyId": anomaly})
    seen = "/api/anomalies/{anomalyId}/acknowledgement"
    yield post(seen, {"by": "Ada", "note": "a bot"}, anomalyId=anomaly)


def _operation(shop: Shop) -> Iterator[Ask]:
    yield ask("/api/ledger", limit=2)
    yield ask("/api/dead-letters", limit=1)
    yield ask("/api/late-events", limit=1)
    yield ask("/api/duplicates", limit=1)
    yield ask("/api/product-updates/unused", limit=1)
    letter = shop.found("/api/dead-letters?limit=1")["items"][0]
    place = {"partition": str(letter["partition"]), "offset": str(letter["offset"])}
    mended = msgspec.json.encode({**_ADA, "timestamp": shop.driver.now_ms}).decode()
    yield post("/api/dead-letters/{partition}/{offset}/replay", {"raw": mended}, **place)


def _sent(now_ms: int) -> Iterator[Ask]:
    cups = {"userId": "ada", "eventType": "PURCHASE", "productId": "espresso-cups", "value": 59.9}
    yield post(
        "/v1/events",
        [{"eventId": "order-1001", **cups, "timestamp": now_ms}, {"userId": "ada"}],
    )
    yield post("/v1/import", [{"eventId": "order-7", **cups, "timestamp": "2025-12-24T18:00:00Z"}])
    update = {"productId": "espresso-cups", "name": "Espresso cups", "category": "kitchen"}
    yield post("/v1/product-updates", [{**update, "price": 59.9}])


def _plain(shop: Shop) -> Iterator[Ask]:
    """All addresses that take nothing in their path: those of routes that came later, too."""
    for path, item in shop.found("/openapi.json")["paths"].items():
        if "get" in item and "{" not in path:
            takes = {parameter["name"] for parameter in item["get"].get("parameters", ())}
            yield Ask(path, {}, {"limit": _KEPT_ITEMS} if "limit" in takes else {})


def taken() -> dict[str, Example]:
    """All examples, of a shop of their own."""
    with shop() as open_shop:
        found = {"GET /api/live": asyncio.run(_first_message(open_shop.context))}
        for asked in (*questions(open_shop), *_plain(open_shop)):
            name = f"{asked.verb} {asked.path}"
            if name not in found:
                found[name] = _answered(open_shop, asked)
    return dict(sorted(found.items()))


def _answered(open_shop: Shop, asked: Ask) -> Example:
    answer = open_shop.client.request(asked.verb, asked.address, json=asked.body)
    assert answer.is_success, f"{asked.address} answered {answer.status_code}: {answer.text}"
    media_type = answer.headers["content-type"].partition(";")[0]
    if media_type == "application/json":
        value = msgspec.json.decode(_without_mark(answer.text))
        shown = _shortened(value)
    else:
        value = answer.text
        shown = "\n".join(value.splitlines()[:_KEPT_LINES])
    return Example(
        address=asked.address,
        status=answer.status_code,
        media_type=media_type,
        answer=shown,
        body=asked.body,
        is_shortened=shown != value,
    )


def _shortened(value: Any) -> Any:
    """The value with the first few items of each list."""
    if isinstance(value, list):
        return [_shortened(each) for each in value[:_KEPT_ITEMS]]
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    return value


def _without_mark(text: str) -> str:
    """A recommendation has the mark of the process that made it, which is another one each time."""
    return re.sub(r"(?<=-recommended-\d{13}-)[0-9a-f]{16}", _MARK, text)


async def _first_message(context: ApiContext) -> Example:
    messages = LiveFeed(replace(context, registry=CollectorRegistry())).messages()
    message = await anext(messages)
    await messages.aclose()
    assert isinstance(message.data, bytes)
    tick = msgspec.json.encode(_shortened(msgspec.json.decode(message.data))).decode()
    return Example(
        address="/api/live",
        status=200,
        media_type="text/event-stream",
        answer=f"event: {message.event}\ndata: {tick}",
        is_shortened=True,
    )


def written(found: Mapping[str, Example]) -> bytes:
    """The examples as the file has them."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def main() -> None:
    """Write the file."""
    EXAMPLES_FILE.write_bytes(written(taken()))


if __name__ == "__main__":
    main()
