"""The addresses of products: what is known of them, and what was sent and is not used."""

from litestar import Response, get

from rtcdp.answers.products import (
    PRODUCTS_PATH,
    UNUSED_PATH,
    ProductAnswer,
    ProductQuestion,
    ProductsPage,
    ProductsQuestion,
    UnusedUpdatesPage,
    UnusedUpdatesQuestion,
    product_answer,
    products_page,
    unused_updates_page,
)
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

_ALL = Asked(ProductsQuestion)
_ONE = Asked(ProductQuestion)
_UNUSED = Asked(UnusedUpdatesQuestion)


@get(
    PRODUCTS_PATH,
    summary="What is known of products",
    description="By id, each with the name, category and price of the time `at`, which is now if "
    "nobody says.",
    operation_class=documented(_ALL),
    sync_to_thread=True,
)
def list_products(request: AnyRequest, context: Context) -> Response[ProductsPage]:
    page = products_page(context.installation, _ALL.read(request))
    return answer(page, page)


@get(
    f"{PRODUCTS_PATH}/{{productId:path}}",
    summary="What is known of one product, and from when on",
    description="The version of the time `at`, which is now if nobody says, and all others.",
    operation_class=documented(_ONE),
    sync_to_thread=True,
)
def one_product(request: AnyRequest, context: Context) -> Response[ProductAnswer]:
    product_id = text_in_path(request, f"{PRODUCTS_PATH}/", "", "product id")
    page = product_answer(context.installation, product_id, _ONE.read(request))
    return answer(page, page)


@get(
    UNUSED_PATH,
    summary="Product updates that are not used",
    description="Newest first, with the reason: records that are no update, and versions beyond "
    "what is remembered of a product (`history_full`).",
    operation_class=documented(_UNUSED),
    sync_to_thread=True,
)
def unused_updates(request: AnyRequest, context: Context) -> Response[UnusedUpdatesPage]:
    page = unused_updates_page(context.installation, _UNUSED.read(request))
    return answer(page, page)


PRODUCT_HANDLERS = (list_products, one_product, unused_updates)
"""All of them, to be given to the API's router."""
