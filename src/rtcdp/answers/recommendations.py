"""Recommendations for a user, a product or a basket, with the reasons; and what is trending.

Computed when somebody asks, from the sessions of products that the store holds; so what is deleted
there is in no answer any more.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Annotated, Literal

import msgspec
import polars as pl
import xxhash

from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms_or_none
from rtcdp.answers.product_history import Known, ProductHistory, deeds_told, later
from rtcdp.definitions.products import PRODUCTS
from rtcdp.folds.product_sessions import BOUGHT, IN_CART
from rtcdp.folds.recommendation_outcomes import Group, RecommendationName
from rtcdp.recommendations import (
    NO_SESSIONS,
    Ints,
    Recommended,
    Source,
    Wish,
    ranked,
    recommended,
)

RECOMMENDATIONS_PATH = "/api/recommendations"

Kind = Literal["user", "product", "basket"]

OWN_WORDS = ("bought", "cart", "seen", "none")
"""What `exclude` may name beside products: of a user, what they bought in the time that is looked
at, have in the cart, or saw; and nothing at all."""

BASKET_MAX = 100

AMONG_MAX = 500
"""Among so many products those of a category are looked for, the best."""

OWN_SESSIONS_MAX = 200
"""So many of a user's sessions are looked at, the newest."""

_LIMIT_MAX = 100
_CERTAIN = 100
_marks = count(int.from_bytes(os.urandom(8)))

Limit = Annotated[int, msgspec.Meta(description="how many at most", ge=1, le=_LIMIT_MAX)]
Diversity = Annotated[
    int,
    msgspec.Meta(
        description="how different from each other, in percent: 0 for the best ones, 100 for those"
        " least alike",
        ge=0,
        le=100,
    ),
]
Exclude = Annotated[
    tuple[str, ...],
    msgspec.Meta(description="product ids, with commas or several times"),
]
ExcludeOwn = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        description="`bought`, `cart`, `seen` or product ids, with commas or several times; "
        "`bought` if nothing is sent, `none` for nothing"
    ),
]


Categories = Annotated[
    tuple[str, ...],
    msgspec.Meta(description="only products that are in one of these categories now"),
]
WhoSees = Annotated[
    str | None,
    msgspec.Meta(description="who will see it: whether they are held out hangs on that"),
]


class UserRecommendations(msgspec.Struct, frozen=True, kw_only=True):
    """What is recommended to a user."""

    limit: Limit = 10
    exclude: ExcludeOwn = ("bought",)
    category: Categories = ()
    diversity: Diversity = 0


class ProductRecommendations(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a product."""

    limit: Limit = 10
    exclude: Exclude = ()
    category: Categories = ()
    diversity: Diversity = 0
    user_id: WhoSees = msgspec.field(default=None, name="userId")


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """Products in the order in which they were put in, and what is wished to go with them."""

    items: Annotated[list[str], msgspec.Meta(min_length=1, max_length=BASKET_MAX)]
    limit: Limit = 10
    exclude: list[str] = []
    category: list[str] = []
    diversity: Diversity = 0
    user_id: WhoSees = msgspec.field(default=None, name="userId")


class TrendingQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """How many products that are trending."""

    limit: Limit = 10


class Because(msgspec.Struct, gc=False):
    """Of the newest `looked_at` sessions with the product `item`, `sessions` have this one too."""

    item: str
    sessions: int
    looked_at: int


class RecommendedItem(msgspec.Struct, omit_defaults=True, gc=False):
    """A product, and whence it is: `sessions` like this one, or what stands in for them, `trending`
    and `popular`. Scores can be compared within one source of one answer."""

    productId: str  # noqa: N815
    score: float
    source: Source
    because: Because | None = None


class RecommendationsPage(msgspec.Struct, omit_defaults=True):
    """Products, the best first. `based_on` are those that were looked at, newest last.
    `recommendation_id` names this answer: events can carry it. `audience` says whether it is for
    somebody who is held out, and gets what stands in for sessions, or nothing. `fallback` says what
    stood in where sessions told too little. Where a category was asked for, `category_unknown` says
    how many of the best products were left out as nothing is known of theirs. `sessions` were
    heard, those that began `history_from` or later. `incomplete` is there while no engine has told
    all sessions."""

    items: list[RecommendedItem]
    recommendation_id: str
    audience: Group
    based_on: list[str]
    sessions: int
    history_from: str | None
    as_of: str | None
    lag_ms: int | None
    fallback: Source | None = None
    category_unknown: int | None = None
    incomplete: bool = False
    warning: str | None = None


class TrendingItem(msgspec.Struct):
    """A product, and by how many standard deviations of chance the sessions of the last day with it
    are more than the days before let expect."""

    productId: str  # noqa: N815
    score: float


class TrendingPage(msgspec.Struct, omit_defaults=True):
    """Products that are trending, the strongest first; the last day ends with the newest session.
    `incomplete` is there while no engine has told all sessions."""

    items: list[TrendingItem]
    sessions: int
    history_from: str | None
    as_of: str | None
    lag_ms: int | None
    incomplete: bool = False
    warning: str | None = None


@dataclass(frozen=True)
class _Asked:
    """What is recommended to: products in order, newest last; what they wish; and sessions that are
    not heard."""

    kind: Kind
    who_sees: str | None
    items: Sequence[str]
    wish: Wish
    categories: frozenset[str] = frozenset()
    own: Ints = field(default_factory=lambda: NO_SESSIONS)


@dataclass(frozen=True)
class HoldOut:
    """Of all users `percent` are held out, always the same ones, to compare the others with: they
    get what is trending and popular, or `nothing`."""

    percent: int = 0
    nothing: bool = False

    def audience_of(self, user_id: str | None) -> Group:
        """Whether somebody is held out. Nobody is who is not known."""
        if user_id is None:
            return "recommended"
        drawn = xxhash.xxh3_64_intdigest(f"held out\0{user_id}".encode(errors="surrogatepass"))
        return "held_out" if drawn % _CERTAIN < self.percent else "recommended"


@dataclass(frozen=True)
class Adviser:
    """What recommends: the sessions of an installation."""

    installation: Installation
    history: ProductHistory
    hold_out: HoldOut = HoldOut()

    def known(self) -> Known:
        """What is recommended from now."""
        return self.history.glance(self.installation)

    def at_hand(
        self, question: UserRecommendations | ProductRecommendations, user_id: str | None = None
    ) -> Known | None:
        """What is recommended from, where an answer to the question needs nothing else and takes a
        few milliseconds at most; None where it may take longer."""
        if question.category or question.diversity:
            return None
        known = self.history.at_hand(self.installation)
        if known is None or user_id is None:
            return known
        is_busy = known.model.index.most_of_user(user_id) > OWN_SESSIONS_MAX
        return None if is_busy else known


def for_user(
    adviser: Adviser, user_id: str, question: UserRecommendations, known: Known | None = None
) -> RecommendationsPage:
    """What is recommended to a user, whose own sessions are not heard. Somebody unknown gets what
    is trending. Told from what is `known` now, unless that is given. Raises `NotThere` and
    `StoreUnavailable`."""
    known = known or adviser.known()
    numbers, told = known.model.index.of_user(user_id, OWN_SESSIONS_MAX)
    done = [each for text in told if text is not None for each in deeds_told(text)]
    items = [item for item, _ in done]
    words = _words(question.exclude)
    excluded = {word for word in words if word not in OWN_WORDS} | set(items[-1:])
    if "seen" in words:
        excluded |= set(items)
    for word, deed in (("bought", BOUGHT), ("cart", IN_CART)):
        if word in words:
            excluded |= {item for item, what in done if what == deed}
    wish = _wish(question.limit, excluded, question.diversity)
    categories = frozenset(question.category)
    return _page(adviser, known, _Asked("user", user_id, items, wish, categories, numbers))


def for_product(
    adviser: Adviser, product_id: str, question: ProductRecommendations, known: Known | None = None
) -> RecommendationsPage:
    """What goes with a product, told from what is `known` now, unless that is given. Raises
    `NotThere` and `StoreUnavailable`."""
    excluded = {product_id, *_words(question.exclude)}
    wish = _wish(question.limit, excluded, question.diversity)
    categories = frozenset(question.category)
    asked = _Asked("product", question.user_id, [product_id], wish, categories)
    return _page(adviser, known or adviser.known(), asked)


def for_basket(adviser: Adviser, basket: Basket) -> RecommendationsPage:
    """What goes with a basket. Raises `NotThere` and `StoreUnavailable`."""
    wish = _wish(basket.limit, {*basket.items, *basket.exclude}, basket.diversity)
    asked = _Asked("basket", basket.user_id, basket.items, wish, frozenset(basket.category))
    return _page(adviser, adviser.known(), asked)


def trending_page(adviser: Adviser, question: TrendingQuestion) -> TrendingPage:
    """What is trending. Raises `NotThere` and `StoreUnavailable`."""
    known = adviser.known()
    index = known.model.index
    fresh = later(known.freshness, adviser.installation.clock.now_ms())
    return TrendingPage(
        items=[
            TrendingItem(item, points)
            for item, points in ranked(index, known.model.trending, question.limit)
        ],
        sessions=index.session_count,
        history_from=_history_from(known),
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        incomplete=known.is_filling,
        warning=fresh.warning,
    )


def _page(adviser: Adviser, known: Known, asked: _Asked) -> RecommendationsPage:
    index, now_ms = known.model.index, adviser.installation.clock.now_ms()
    # What is known may have been at hand for a while.
    fresh = later(known.freshness, now_ms)
    audience = adviser.hold_out.audience_of(asked.who_sees)
    if audience == "held_out":
        asked = replace(asked, items=(), own=NO_SESSIONS)
    found: list[Recommended] = []
    unknown: int | None = None
    if audience == "recommended" or not adviser.hold_out.nothing:
        found, unknown = _found(adviser.installation, known, asked)
    return RecommendationsPage(
        items=[_item(each) for each in found],
        recommendation_id=RecommendationName(asked.kind, audience, now_ms, _mark()).text,
        audience=audience,
        based_on=list(dict.fromkeys(reversed(asked.items)))[:8][::-1],
        category_unknown=unknown,
        sessions=index.session_count,
        history_from=_history_from(known),
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        incomplete=known.is_filling,
        fallback=next((each.source for each in found if each.source != "sessions"), None),
        warning=fresh.warning,
    )


def _found(
    installation: Installation, known: Known, asked: _Asked
) -> tuple[list[Recommended], int | None]:
    """What is recommended, and of how many products the category would have to be known."""
    wish = asked.wish
    if not asked.categories:
        return recommended(known.model, asked.items, wish, asked.own), None
    most = Wish(AMONG_MAX, wish.excluded)
    best = [each.item for each in recommended(known.model, asked.items, most, asked.own)]
    now = _categories_of(installation, best)
    others = {item for item in best if now.get(item) not in asked.categories}
    wish = msgspec.structs.replace(wish, excluded=wish.excluded | others)
    found = recommended(known.model, asked.items, wish, asked.own)
    unknown = sum(now.get(item) is None for item in best)
    return [each for each in found if each.item not in others and each.item in now], unknown


def _categories_of(installation: Installation, items: Sequence[str]) -> dict[str, str | None]:
    """The category of each product that anything is known of now."""
    asked = pl.DataFrame({"productId": items}, {"productId": pl.String()})
    with installation.store.snapshot() as snapshot:
        versions = snapshot.rows(PRODUCTS, asked)
    now = versions.filter(pl.col("validFrom") <= installation.clock.now_ms()).sort("validFrom")
    return dict(now.select("productId", "category").rows())


def _item(each: Recommended) -> RecommendedItem:
    why = each.because
    because = None if why is None else Because(why.item, why.sessions, why.looked_at)
    return RecommendedItem(each.item, each.points, each.source, because)


def _words(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.split(",") if word]


def _wish(limit: int, excluded: set[str], diversity: int) -> Wish:
    return Wish(limit, frozenset(excluded), diversity / _CERTAIN)


def _mark() -> int:
    """What tells an answer from all others of its time."""
    return next(_marks) % 2**64


def _history_from(known: Known) -> str | None:
    return iso_ms_or_none(known.model.index.oldest_start)
