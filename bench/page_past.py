"""A past of many users, for pages to tell of: visits at any time of some days, each of a user of
its own."""

from collections.abc import Iterator

import numpy as np

PAST_DAYS = 60
DAY_MS = 86_400_000
PAST_MS = PAST_DAYS * DAY_MS

_PAGES, _PRODUCTS = 300, 2_000
_CHUNK = 20_000
_STEP_MS = 20_000
_VIEWS_MAX, _TYPES = 5, 12
_WITH_CART, _WITH_PURCHASE = 0.25, 0.08
_COUNTRIES = ("de", "fr", "us", "gb", "in", "br", "jp", "pl")


def page_past(
    users: int, until_ms: int, seed: int = 1, span_ms: int = PAST_MS, name: str = "u"
) -> Iterator[bytes]:
    """Events of `users` visits of the `span_ms` before `until_ms` (UTC ms), one after the other by
    when they began: one to five pages, some of it with a search, a cart or a purchase. Each is of a
    user of its own, whose id begins with `name`."""
    generator = np.random.default_rng(seed)
    starts = np.sort(until_ms - generator.integers(0, span_ms, users))
    for first in range(0, users, _CHUNK):
        some = starts[first : first + _CHUNK].tolist()
        views = generator.integers(1, _VIEWS_MAX + 1, len(some)).tolist()
        luck = generator.random(len(some)).tolist()
        pages = _popular(generator, _PAGES, len(some) * _VIEWS_MAX)
        products = _popular(generator, _PRODUCTS, len(some))
        for place, start in enumerate(some):
            looked_at = pages[place * _VIEWS_MAX : place * _VIEWS_MAX + views[place]]
            user = f"{name}{first + place}"
            country = _COUNTRIES[(first + place) % len(_COUNTRIES)]
            at = start
            for page in looked_at:
                yield _line(
                    user,
                    at,
                    "PAGE_VIEW",
                    f',"pageUrl":"/p/{page}","properties":{{"country":"{country}"}}',
                )
                at += _STEP_MS
            product = f',"productId":"p{products[place]}"'
            if luck[place] < _WITH_CART:
                yield _line(user, at, "ADD_TO_CART", product)
                if luck[place] < _WITH_PURCHASE:
                    value = 5 + products[place] % 90
                    yield _line(user, at + _STEP_MS, "PURCHASE", f'{product},"value":{value}')
            else:
                yield _line(user, at, f"OTHER_{place % _TYPES}", "")


def _line(user: str, at: int, kind: str, more: str) -> bytes:
    return f'{{"userId":"{user}","timestamp":{at},"eventType":"{kind}"{more}}}'.encode()


def _popular(generator: np.random.Generator, count: int, size: int) -> list[int]:
    """Of so many things each of rank n in the proportion 1/n."""
    found: list[int] = np.exp(generator.random(size) * np.log(count)).astype(int).tolist()
    return found
