"""The addresses of products: what is known of them, and what was sent and is not used."""

from rtcdp.answers.products import (
    PRODUCTS_PATH,
    UNUSED_PATH,
    ProductQuestion,
    ProductsQuestion,
    UnusedUpdatesQuestion,
    product_answer,
    products_page,
    unused_updates_page,
)
from rtcdp.api.pages import PageAt
from rtcdp.api.query import Asked

PRODUCT_PAGES = (
    PageAt(
        PRODUCTS_PATH,
        "list_products",
        products_page,
        Asked(ProductsQuestion),
        "What is known of products",
        "By id, each with the name, category and price of the time `at`, which is now if nobody "
        "says.",
    ),
    PageAt(
        f"{PRODUCTS_PATH}/{{productId:path}}",
        "one_product",
        product_answer,
        Asked(ProductQuestion),
        "What is known of one product, and from when on",
        "The version of the time `at`, which is now if nobody says, and all others.",
        id_is="product id",
    ),
    PageAt(
        UNUSED_PATH,
        "unused_updates",
        unused_updates_page,
        Asked(UnusedUpdatesQuestion),
        "Product updates that are not used",
        "Newest first, with the reason: records that are no update, and versions beyond what is "
        "remembered of a product (`history_full`).",
        group="Operate",
    ),
)
"""All of them, to be given to the API's router."""
