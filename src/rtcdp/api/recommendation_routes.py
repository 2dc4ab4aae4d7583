"""The addresses of recommendations: for a user, a product, a basket, what is trending, and what
came of them."""

from litestar import Response, get, post
from litestar.params import JSONBody

from rtcdp.access.needs import READ
from rtcdp.answers.question import Nothing
from rtcdp.answers.recommendation_outcomes import (
    OutcomesPage,
    OutcomesQuestion,
    outcomes_page,
)
from rtcdp.answers.recommendations import (
    RECOMMENDATIONS_PATH,
    Basket,
    ProductRecommendations,
    RecommendationsPage,
    TrendingPage,
    TrendingQuestion,
    UserRecommendations,
    for_basket,
    for_product,
    for_user,
    trending_page,
)
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

USER_PREFIX = f"{RECOMMENDATIONS_PATH}/user/"
PRODUCT_PREFIX = f"{RECOMMENDATIONS_PATH}/product/"
USER_ROUTE = f"{USER_PREFIX}{{userId:path}}"
PRODUCT_ROUTE = f"{PRODUCT_PREFIX}{{productId:path}}"
_BODY_BYTES_MAX = 65_536

USER_ASKED = Asked(UserRecommendations)
PRODUCT_ASKED = Asked(ProductRecommendations)
_BASKET = Asked(Nothing)
_TRENDING = Asked(TrendingQuestion)
_OUTCOMES = Asked(OutcomesQuestion)


@get(
    USER_ROUTE,
    summary="What to recommend to a user",
    description="What sessions like theirs went on with, and why; for somebody unknown what is "
    "trending, then what is popular, and `fallback` says so.",
    operation_class=documented(USER_ASKED),
    opt=READ,
    sync_to_thread=True,
)
def recommended_to_user(request: AnyRequest, context: Context) -> Response[RecommendationsPage]:
    user_id = text_in_path(request, USER_PREFIX, "", "user id")
    page = for_user(context.adviser, user_id, USER_ASKED.read(request))
    return answer(page, page)


@get(
    PRODUCT_ROUTE,
    summary="What goes with a product",
    description="What the sessions with it went on with, and in how many of them.",
    operation_class=documented(PRODUCT_ASKED),
    opt=READ,
    sync_to_thread=True,
)
def goes_with_product(request: AnyRequest, context: Context) -> Response[RecommendationsPage]:
    product_id = text_in_path(request, PRODUCT_PREFIX, "", "product id")
    page = for_product(context.adviser, product_id, PRODUCT_ASKED.read(request))
    return answer(page, page)


@post(
    f"{RECOMMENDATIONS_PATH}/basket",
    summary="What goes with a basket",
    description="Products in the order in which they were put in; the last one counts most.",
    operation_class=documented(_BASKET),
    request_max_body_size=_BODY_BYTES_MAX,
    status_code=200,
    opt=READ,
    sync_to_thread=True,
)
def goes_with_basket(
    request: AnyRequest, context: Context, data: JSONBody[Basket]
) -> Response[RecommendationsPage]:
    _BASKET.read(request)
    page = for_basket(context.adviser, data)
    return answer(page, page)


@get(
    f"{RECOMMENDATIONS_PATH}/trending",
    summary="What is trending",
    description="Products with more sessions in the last day than the days before let expect.",
    operation_class=documented(_TRENDING),
    opt=READ,
    sync_to_thread=True,
)
def trending_products(request: AnyRequest, context: Context) -> Response[TrendingPage]:
    page = trending_page(context.adviser, _TRENDING.read(request))
    return answer(page, page)


@get(
    f"{RECOMMENDATIONS_PATH}/outcomes",
    summary="What came of recommendations",
    description="How many were shown, clicked and led to a purchase, and what was bought after "
    "them, of those who get recommendations and of those who are held out.",
    operation_class=documented(_OUTCOMES),
    opt=READ,
    sync_to_thread=True,
)
def what_came_of_it(request: AnyRequest, context: Context) -> Response[OutcomesPage]:
    page = outcomes_page(context.installation, _OUTCOMES.read(request))
    return answer(page, page)


RECOMMENDATION_HANDLERS = (
    recommended_to_user,
    goes_with_product,
    goes_with_basket,
    trending_products,
    what_came_of_it,
)
"""All of them, to be given to the API's router."""
