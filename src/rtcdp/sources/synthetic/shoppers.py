"""A small shop and the people in it: who does what next, and how long they think about it.

A visit is a walk over pages: home, search, category, product, cart, checkout, purchase. The next
page depends only on the page one is on (a Markov chain), the time between two pages is random.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal

from rtcdp.errors import UsageError
from rtcdp.events.event import ADD_TO_CART, PAGE_VIEW, PRODUCT_VIEW, PURCHASE, SEARCH

MAX_USERS = 1_000_000
MAX_VISITORS = 500
"""Visits that go on at the same time; the other users are away."""

_CATEGORIES = {
    "kitchen": ("kettle", "toaster", "grinder", "pan"),
    "audio": ("headphones", "speaker", "turntable", "radio"),
    "garden": ("spade", "hose", "lantern", "planter"),
    "sport": ("racket", "mat", "bottle", "helmet"),
    "office": ("lamp", "chair", "notebook", "keyboard"),
    "toys": ("puzzle", "kite", "train", "blocks"),
    "travel": ("suitcase", "backpack", "adapter", "pillow"),
    "bath": ("towel", "mirror", "scale", "robe"),
}
_MODELS = (("basic", 0.6), ("classic", 1.0), ("plus", 1.7), ("pro", 2.9))
_POPULARITY_EXPONENT = 1.1
_ACTIVITY_EXPONENT = 0.6

Page = Literal["home", "search", "category", "product", "cart", "checkout", "purchase", "leave"]

_NEXT_PAGE: dict[Page, dict[Page, float]] = {
    "home": {"search": 0.35, "category": 0.35, "product": 0.2, "leave": 0.1},
    "search": {"product": 0.6, "search": 0.15, "home": 0.05, "leave": 0.2},
    "category": {"product": 0.6, "category": 0.2, "home": 0.05, "leave": 0.15},
    "product": {
        "product": 0.22,
        "cart": 0.22,
        "search": 0.12,
        "category": 0.2,
        "home": 0.06,
        "leave": 0.18,
    },
    "cart": {"product": 0.25, "checkout": 0.4, "category": 0.15, "leave": 0.2},
    "checkout": {"purchase": 0.75, "leave": 0.25},
    "purchase": {"home": 0.2, "leave": 0.8},
    "leave": {"home": 0.6, "search": 0.2, "category": 0.1, "product": 0.1},
}
_MEAN_THINKING_S: dict[Page, float] = {
    "home": 8,
    "search": 12,
    "category": 15,
    "product": 25,
    "cart": 10,
    "checkout": 30,
    "purchase": 20,
    "leave": 240,
}


@dataclass(frozen=True)
class Product:
    """What is for sale. `price` has two decimals and never changes."""

    product_id: str
    category: str
    noun: str
    price: float


class Shop:
    """The products, most of the interest on a few of them (Zipf). The same shop for every seed.
    `demand` says how much each product is wanted, added up."""

    def __init__(self) -> None:
        random = Random("the shop")
        self.products = tuple(
            Product(f"{noun}-{model}", category, noun, round(basic_price * factor, 2))
            for category, nouns in _CATEGORIES.items()
            for noun in nouns
            for basic_price in (random.uniform(8, 160),)
            for model, factor in _MODELS
        )
        self.categories = tuple(_CATEGORIES)
        ranks = list(range(1, len(self.products) + 1))
        random.shuffle(ranks)
        self.demand = tuple(_cumulative(rank**-_POPULARITY_EXPONENT for rank in ranks))

    def product(self, random: Random) -> Product:
        """One product, the popular ones more often."""
        return self.products[_pick(self.demand, random)]


@dataclass(frozen=True)
class Action:
    """One thing that a shopper did. `details` are the optional members of the event, as JSON text
    with a leading comma."""

    event_type: str
    details: str


class Shopper:
    """A visitor on a walk through the shop. `step` moves on by one page."""

    def __init__(self, shop: Shop, random: Random) -> None:
        self._shop = shop
        self._random = random
        self._page: Page = "leave"
        self._product = shop.product(random)
        self._cart: list[Product] = []

    def step(self) -> Action | None:
        """What the shopper does next, or None: the visit is over (a further step starts one)."""
        if self._page == "purchase" and self._cart:
            return self._buy()
        pages, weights = _TRANSITIONS[self._page]
        self._page = pages[_pick(weights, self._random)]
        match self._page:
            case "leave":
                self._cart.clear()
                return None
            case "search":
                self._product = self._shop.product(self._random)
                return search_page(self._product)
            case "product":
                self._product = self._shop.product(self._random)
                return product_view(self._product)
            case "cart":
                self._cart.append(self._product)
                return into_the_cart(self._product)
            case "purchase":
                return self._buy()
            case "category":
                category = self._random.choice(self._shop.categories)
                return page_view(f"/category/{category}")
            case _:
                return page_view("/" if self._page == "home" else "/checkout")

    def thinking_s(self) -> float:
        """Seconds until the next step, drawn anew at each call."""
        return self._random.expovariate(1.0) * _MEAN_THINKING_S[self._page]

    def _buy(self) -> Action:
        product = self._cart.pop() if self._cart else self._product
        return purchase(product)


def user_names(users: int) -> tuple[str, ...]:
    """The ids of that many users: user_A to user_E for up to five, else user_0001 and so on.

    Raises `UsageError` unless there are 1 to `MAX_USERS` of them.
    """
    if not 1 <= users <= MAX_USERS:
        raise UsageError(f"{users} users", f"Give a number of users from 1 to {MAX_USERS}.")
    if users <= 5:
        return tuple(f"user_{letter}" for letter in "ABCDE"[:users])
    width = max(4, len(str(users)))
    return tuple(f"user_{number:0{width}}" for number in range(1, users + 1))


class Visitors:
    """Who comes next: users of unequal activity, a bounded number of them in the shop at once."""

    def __init__(self, names: Sequence[str], random: Random) -> None:
        self._names = names
        self._random = random
        self._weights = _cumulative(rank**-_ACTIVITY_EXPONENT for rank in range(1, len(names) + 1))
        self._inside: set[str] = set()
        self.places = min(len(names), MAX_VISITORS)

    def arrive(self) -> str:
        """A user who was not inside, and is now. There must be a free place."""
        for _ in range(20):
            name = self._names[_pick(self._weights, self._random)]
            if name not in self._inside:
                break
        else:
            name = next(name for name in self._names if name not in self._inside)
        self._inside.add(name)
        return name

    def leave(self, name: str) -> None:
        self._inside.remove(name)


def _cumulative(weights: Iterable[float]) -> list[float]:
    return list(itertools.accumulate(weights))


def _pick(weights: Sequence[float], random: Random) -> int:
    """An index, with chances given by cumulative weights."""
    return bisect_right(weights, random.random() * weights[-1], 0, len(weights) - 1)


def page_view(page_url: str) -> Action:
    """Looking at a page."""
    return Action(PAGE_VIEW, f',"pageUrl":"{page_url}"')


@lru_cache
def search_page(product: Product) -> Action:
    """Looking for the likes of a product."""
    noun = product.noun
    return Action(
        SEARCH,
        f',"pageUrl":"/search?q={noun}","properties":{{"query":"{noun}","results":{len(_MODELS)}}}',
    )


@lru_cache
def product_view(product: Product) -> Action:
    """Looking at a product on its page."""
    return Action(PRODUCT_VIEW, _about(product))


@lru_cache
def into_the_cart(product: Product) -> Action:
    """Putting a product into the cart, on its page."""
    return Action(ADD_TO_CART, f'{_about(product)},"value":{product.price}')


@lru_cache
def purchase(product: Product) -> Action:
    """Buying a product."""
    return Action(
        PURCHASE,
        f',"productId":"{product.product_id}","pageUrl":"/checkout","value":{product.price}'
        f',"properties":{{"category":"{product.category}","currency":"EUR"}}',
    )


def _about(product: Product) -> str:
    return (
        f',"productId":"{product.product_id}","pageUrl":"/product/{product.product_id}"'
        f',"properties":{{"category":"{product.category}"}}'
    )


_TRANSITIONS = {
    page: (tuple(following), _cumulative(following.values()))
    for page, following in _NEXT_PAGE.items()
}
