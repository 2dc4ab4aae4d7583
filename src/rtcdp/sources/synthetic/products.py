"""The products of the made-up shop, as updates: what each is called, costs and belongs to."""

import msgspec

from rtcdp.sources.synthetic.shoppers import Shop

VALID_FROM = "2020-01-01T00:00:00.000Z"
"""Since when all of it holds: before anything that is made up happens."""


class _Update(msgspec.Struct, rename="camel"):
    product_id: str
    name: str
    category: str
    price: float
    valid_from: str


def product_lines() -> list[bytes]:
    """An update for each product of the shop, as a line of JSON without its end. They are the same
    each time: sent again they say nothing new."""
    return [
        msgspec.json.encode(
            _Update(
                product.product_id,
                product.product_id.replace("-", " ").capitalize(),
                product.category,
                product.price,
                VALID_FROM,
            )
        )
        for product in Shop().products
    ]
