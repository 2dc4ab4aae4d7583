"""Recommendations: for a user or a product, with the reasons; what is trending; what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from rtcdp.answers.question import NAMES
from rtcdp.answers.recommendation_outcomes import Outcomes, OutcomesQuestion, outcomes_page
from rtcdp.answers.recommendations import (
    RECOMMENDATIONS_PATH,
    Adviser,
    ProductRecommendations,
    RecommendationsPage,
    RecommendedItem,
    TrendingPage,
    TrendingQuestion,
    UserRecommendations,
    for_product,
    for_user,
    trending_page,
)
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.address import segment
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import USERS, api_address, from_to, in_time
from rtcdp.errors import NotThere

PATH = "/recommendations"
_LISTED = 12


class RecommendationsPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """For whom, or what goes with what."""

    whose: Annotated[str | None, msgspec.Meta(description="for this user")] = None
    product: Annotated[str | None, msgspec.Meta(description="what goes with this product")] = None


@dataclass(frozen=True)
class AdviceShown:
    """What is recommended, and where each product leads on."""

    answer: RecommendationsPage
    heading: str
    user_href: str | None
    items: Sequence[tuple[RecommendedItem, str]]
    api: str


@dataclass(frozen=True)
class AdvicePageShown:
    """What is trending, what is recommended to whoever was asked for, and what came of
    recommendations, where that is told."""

    trending: TrendingPage
    trending_items: Sequence[tuple[str, float, str]]
    advice: Sequence[AdviceShown]
    outcomes: Sequence[Outcomes]
    has_outcomes: bool
    trending_api: str
    outcomes_api: str


def shown(asked: PageAsked[RecommendationsPageQuestion]) -> AdvicePageShown | None:
    """None where no sessions of products are told. Raises `BadRequest` and `StoreUnavailable`."""
    adviser = asked.context.adviser
    try:
        trending = trending_page(adviser, TrendingQuestion(limit=_LISTED))
    except NotThere:
        return None
    outcomes = _outcomes(asked)
    return AdvicePageShown(
        trending=trending,
        trending_items=[
            (each.productId, each.score, _with_product(asked, each.productId))
            for each in trending.items
        ],
        advice=_advice(asked, adviser),
        outcomes=outcomes or (),
        has_outcomes=outcomes is not None,
        trending_api=f"{RECOMMENDATIONS_PATH}/trending",
        outcomes_api=api_address(f"{RECOMMENDATIONS_PATH}/outcomes", {**from_to(in_time(asked))}),
    )


def _advice(asked: PageAsked[RecommendationsPageQuestion], adviser: Adviser) -> list[AdviceShown]:
    whose, product = asked.question.whose, asked.question.product
    found = []
    if whose is not None:
        answer = for_user(adviser, whose, UserRecommendations(limit=_LISTED))
        href = asked.address.elsewhere(f"{USERS}{segment(whose)}")
        found.append(_shown(asked, answer, f"For {whose}", href, f"user/{segment(whose)}"))
    if product is not None:
        answer = for_product(adviser, product, ProductRecommendations(limit=_LISTED))
        found.append(
            _shown(asked, answer, f"What goes with {product}", None, f"product/{segment(product)}")
        )
    return found


def _shown(
    asked: PageAsked[RecommendationsPageQuestion],
    answer: RecommendationsPage,
    heading: str,
    href: str | None,
    path: str,
) -> AdviceShown:
    items = [(item, _with_product(asked, item.productId)) for item in answer.items]
    return AdviceShown(answer, heading, href, items, f"{RECOMMENDATIONS_PATH}/{path}")


def _with_product(asked: PageAsked[RecommendationsPageQuestion], product: str) -> str:
    return asked.address.but(product=product, whose=None)


def _outcomes(asked: PageAsked[RecommendationsPageQuestion]) -> Sequence[Outcomes] | None:
    """None where no fold tells them."""
    try:
        return outcomes_page(asked.installation, OutcomesQuestion(**in_time(asked))).items
    except NotThere:
        return None


PAGE = DashboardPage(
    title="Recommendations",
    paths=(PATH,),
    template="recommendations.html",
    shown=shown,
    asked=Asked(RecommendationsPageQuestion),
    default_period_ms=30 * DAY_MS,
)
"""What stands at `/recommendations`."""
