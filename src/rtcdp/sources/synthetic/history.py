"""Days of a shop's past at once: who came, came back, left a cart and bought, in order of time.

A day is made in columns, whatever number of users, and told line by line.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rtcdp.anomalies import Labels, instant_of
from rtcdp.clock import DAY_MS, HOUR_MS, Clock
from rtcdp.errors import UsageError
from rtcdp.sources.pause import Pause
from rtcdp.sources.sinks import Receipt, Sink
from rtcdp.sources.synthetic.customers import BUSY_SHOP, NEW_SHOP, Customers, Visits
from rtcdp.sources.synthetic.incidents import Incident, bot_label, incidents, lost, more_visits
from rtcdp.sources.synthetic.shoppers import (
    MAX_USERS,
    Action,
    Product,
    Shop,
    into_the_cart,
    page_view,
    product_view,
    purchase,
    search_page,
    user_names,
)
from rtcdp.sources.synthetic.visits import Act, Ints, all_scripts, waits

MAX_DAYS = 366
BATCH_LINES = 5_000
BOT = "bot_1"

_SLICE_EVENTS = 65_536
_BOT_BEGINS_MS = 2 * HOUR_MS
_BOT_PAGES, _BOT_PAGES_FOR_USERS, _BOT_PAGES_MAX = 120, 50, 5_000
_BOT_WAITS_MS = (1_000, 7_000)
_BOT_TAIL_MS = 300_000


@dataclass(frozen=True, kw_only=True)
class Past:
    """Which past to make up: that of `users` (see `user_names`, and `BOT`) in the `days` days, by
    UTC, of which the last has the instant before `until_ms` (UTC ms) in it; nothing happens at that
    time or later.

    The same values make the same lines, and a later `until_ms` in the same day the same ones and
    more after them. With `incidents` it is a busy shop's that has been known for long, and things
    go wrong and well in it (`rtcdp.sources.synthetic.incidents`). Raises `UsageError` for numbers
    that make no sense.
    """

    days: int
    users: int
    seed: int
    until_ms: int
    incidents: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MAX_DAYS:
            raise UsageError(f"{self.days} days", f"give a number of days from 1 to {MAX_DAYS}")
        if not 1 <= self.users <= MAX_USERS:
            raise UsageError(f"{self.users} users", f"give a number of them from 1 to {MAX_USERS}")
        if self.until_ms < MAX_DAYS * DAY_MS:
            raise UsageError("the history would end before 1971", "give a later end")

    @property
    def first_day(self) -> int:
        """In days after 1970-01-01."""
        return (self.until_ms - 1) // DAY_MS - self.days + 1

    @property
    def from_ms(self) -> int:
        """When the first day begins (UTC ms)."""
        return self.first_day * DAY_MS


@dataclass(frozen=True)
class Told:
    """Lines in order of time, without newlines, and how many of the days they lead into."""

    lines: list[bytes]
    days: int


@dataclass(frozen=True)
class _Events:
    """Events in columns: when (UTC ms), whose (a number), the visit's number, and what, a number of
    `_Texts`."""

    times_ms: Ints
    users: NDArray[np.int32]
    visits: Ints
    texts: NDArray[np.int32]

    def at(self, places: "Ints | NDArray[np.bool_] | slice") -> "_Events":
        return _Events(
            self.times_ms[places], self.users[places], self.visits[places], self.texts[places]
        )


class History:
    """Tells a past, once."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._texts = _Texts(Shop())
        self._names = pl.Series([*user_names(past.users), BOT])
        seed = f"{past.seed} {past.users} {past.days} {past.first_day}".encode()
        self._entropy = int.from_bytes(blake2b(seed, digest_size=16).digest())
        seed += b" incidents" * past.incidents
        self._run = blake2b(b"history " + seed, digest_size=5).hexdigest()
        self._scripts = all_scripts()
        self._visits = self._events = 0
        self._incidents = self._all_incidents() if past.incidents else ()

    @property
    def labels(self) -> Labels:
        """What happens in it before its end, and the nights of the bot."""
        past, products = self._past, self._texts.shop.products
        told = [each.label(products[each.product].product_id) for each in self._incidents]
        span_ms = self._bot_pages * sum(_BOT_WAITS_MS) // 2 + _BOT_TAIL_MS
        nights = range(past.from_ms + _BOT_BEGINS_MS, past.until_ms, DAY_MS)
        told += [bot_label(night, night + span_ms) for night in nights]
        end = instant_of(past.until_ms)
        return Labels(
            begin=instant_of(past.from_ms),
            end=end,
            incidents=tuple(
                sorted((each for each in told if each.begin < end), key=lambda each: each.begin)
            ),
        )

    def tell(self) -> Iterator[Told]:
        """All lines, up to `BATCH_LINES` at a time, days in their order."""
        past = self._past
        demand = np.array(self._texts.shop.demand)
        days = (past.first_day, past.days)
        standing = BUSY_SHOP if past.incidents else NEW_SHOP
        customers = Customers(past.users, days, self._scripts, demand, standing)
        customers.introduce(self._random(past.days))
        overnight = _nothing()
        for day in range(past.days):
            random = self._random(day)
            visits = self._changed(customers.visits(day, random), day)
            made = (overnight, self._of_visits(visits, random), self._of_bot(day, random))
            events = _together(made)
            if self._incidents:
                acts = (events.texts // len(self._texts.shop.products)).astype(np.int8)
                events = events.at(~lost(self._incidents, events.times_ms, acts))
            ends_ms = past.from_ms + (day + 1) * DAY_MS
            overnight = events.at(events.times_ms >= ends_ms)
            for lines in self._lines(events.at(events.times_ms < min(ends_ms, past.until_ms))):
                yield Told(lines, day + 1)

    def _random(self, day: int, *what: int) -> np.random.Generator:
        return np.random.default_rng([self._entropy, day, *what])

    def _all_incidents(self) -> tuple[Incident, ...]:
        past, products = self._past, len(self._texts.shop.products)
        return incidents(past.first_day, past.days, products, self._random(past.days, 1))

    def _changed(self, visits: Visits, day: int) -> Visits:
        """The visits of a day as incidents change them."""
        random = self._random(day, 1)
        for incident in self._incidents:
            visits = more_visits(incident, visits, self._past.users, self._scripts, random)
        return visits

    @property
    def _bot_pages(self) -> int:
        return min(_BOT_PAGES + self._past.users // _BOT_PAGES_FOR_USERS, _BOT_PAGES_MAX)

    def _of_visits(self, visits: Visits, random: np.random.Generator) -> _Events:
        scripts = self._scripts
        lengths = scripts.lengths[visits.scripts]
        visit = np.repeat(np.arange(len(visits)), lengths)
        begins = np.cumsum(lengths) - lengths
        place = np.arange(len(visit)) - begins[visit]
        step = scripts.starts[visits.scripts][visit] + place
        waited = np.where(place == 0, 0, waits(scripts.waits_ms[step], random))
        elapsed = np.cumsum(waited)
        times_ms = visits.times_ms[visit] + elapsed - elapsed[begins[visit]]
        products = visits.products[visit, scripts.products[step]]
        texts = self._texts.number(scripts.acts[step], products)
        numbers = self._visits + visit
        self._visits += len(visits)
        return _Events(times_ms, visits.users[visit], numbers, texts)

    def _of_bot(self, day: int, random: np.random.Generator) -> _Events:
        """Every night a bot looks at one product after the other, and never buys."""
        count = self._bot_pages
        begins_ms = self._past.from_ms + day * DAY_MS + _BOT_BEGINS_MS
        times_ms = begins_ms + np.cumsum(random.integers(*_BOT_WAITS_MS, count))
        products = np.arange(count) % len(self._texts.shop.products)
        texts = self._texts.number(np.full(count, Act.PRODUCT_PAGE, np.int8), products)
        visit = self._visits
        self._visits += 1
        bot = np.full(count, self._past.users, np.int32)
        return _Events(times_ms, bot, np.full(count, visit), texts)

    def _lines(self, events: _Events) -> Iterator[list[bytes]]:
        events = events.at(np.argsort(events.times_ms, kind="stable"))
        for first in range(0, len(events.times_ms), _SLICE_EVENTS):
            lines = self._text(events.at(slice(first, first + _SLICE_EVENTS)))
            for start in range(0, len(lines), BATCH_LINES):
                yield lines[start : start + BATCH_LINES]

    def _text(self, events: _Events) -> list[bytes]:
        count = len(events.times_ms)
        frame = pl.DataFrame(
            {
                "number": np.arange(self._events, self._events + count),
                "user": self._names.gather(events.users),
                "visit": events.visits,
                "time": events.times_ms,
                "text": self._texts.texts.gather(events.texts),
            }
        )
        self._events += count
        line = pl.concat_str(
            pl.lit(f'{{"eventId":"h{self._run}-'),
            "number",
            pl.lit('","userId":"'),
            "user",
            pl.lit(f'","sessionId":"h{self._run}-'),
            "visit",
            pl.lit('","timestamp":"'),
            pl.col("time").cast(pl.Datetime("ms")).dt.to_string("iso:strict"),
            pl.lit('Z","eventType":"'),
            "text",
        )
        return str(frame.select(line.str.join("\n")).item()).encode().split(b"\n")


class _Texts:
    """What the line of an event ends with, for each act and each product."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        actions = [_action(act, product) for act in Act for product in shop.products]
        self.texts = pl.Series([f'{each.event_type}"{each.details}}}' for each in actions])

    def number(
        self, acts: NDArray[np.int8], products: "Ints | NDArray[np.int16]"
    ) -> NDArray[np.int32]:
        """The places of acts upon products among the texts."""
        return acts.astype(np.int32) * len(self.shop.products) + products.astype(np.int32)


def _action(act: Act, product: Product) -> Action:
    match act:
        case Act.HOME:
            return page_view("/")
        case Act.CATEGORY:
            return page_view(f"/category/{product.category}")
        case Act.RESULTS:
            return page_view(f"/search?q={product.noun}")
        case Act.SEARCH:
            return search_page(product)
        case Act.PRODUCT_PAGE:
            return page_view(f"/product/{product.product_id}")
        case Act.PRODUCT_VIEW:
            return product_view(product)
        case Act.INTO_CART:
            return into_the_cart(product)
        case Act.PURCHASE:
            return purchase(product)
        case _:
            return page_view(f"/{act.name.lower()}")


@dataclass(frozen=True)
class HistoryReport:
    """How far a history is: events that were made, days that were begun, and what became of
    the lines. `elapsed_s` is wall time; a whole history `is_done`."""

    events: int = 0
    days: int = 0
    receipt: Receipt = Receipt()
    elapsed_s: float = 0.0
    is_done: bool = False


def write_history(
    past: Past,
    sink: Sink,
    clock: Clock,
    pause: Pause,
    progress: Callable[[HistoryReport], None] | None = None,
) -> HistoryReport:
    """Tell a past to a sink, until all is told or `pause` says stop. Raises what the sink does."""
    began_s = clock.monotonic()
    report = HistoryReport()
    for told in History(past).tell():
        if pause(0):
            return report
        report = replace(
            report,
            events=report.events + len(told.lines),
            days=told.days,
            receipt=report.receipt + sink.write(told.lines),
            elapsed_s=clock.monotonic() - began_s,
        )
        if progress is not None:
            progress(report)
    return replace(report, days=past.days, is_done=True)


def _together(parts: Sequence[_Events]) -> _Events:
    return _Events(
        np.concatenate([part.times_ms for part in parts]),
        np.concatenate([part.users for part in parts]),
        np.concatenate([part.visits for part in parts]),
        np.concatenate([part.texts for part in parts]),
    )


def _nothing() -> _Events:
    none = np.empty(0, np.int64)
    return _Events(none, none.astype(np.int32), none, none.astype(np.int32))
