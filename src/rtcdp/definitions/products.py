"""Where rests what is known of products: the stream `product_updates`, as versions.

A version holds from its `validFrom` until the next one of its product begins. Rows are a function
of the set of updates: of two with one beginning, the one that was taken in later stands.
"""

from rtcdp.definitions.row_table import RowTable
from rtcdp.definitions.row_view import RowView, ShownColumn, field_column

EVENTS_TOPIC = "raw_customer_events"
"""The usual topic of events; of another one, the topic of products has the name in it."""

PRODUCT_STREAM = "product_updates"
"""What the second stream is called: its topic, its folder and its file."""

PRODUCTS = RowTable(
    "products",
    (
        ("productId", "text"),
        ("validFrom", "integer"),
        ("name", "text"),
        ("category", "text"),
        ("price", "real"),
        ("receivedAt", "integer"),
        ("partition", "integer"),
        ("offset", "integer"),
    ),
    ("productId",),
    ("validFrom",),
    view=RowView(
        "Products",
        "What is known of each product, and from when on: a row holds until the next one of its"
        " product begins.",
        (
            field_column("productId", "The product"),
            ShownColumn("valid_from", "instant", "{validFrom}", "From when on it holds"),
            ShownColumn("name", "text", "{name}", "What the product is called"),
            ShownColumn("category", "text", "{category}", "The category that it is in"),
            ShownColumn("price", "real", "{price}", "What it costs"),
            ShownColumn("received_at", "instant", "{receivedAt}", "When the update was taken in"),
        ),
    ),
    stream=PRODUCT_STREAM,
    expires=False,
)

UNUSED_UPDATES = RowTable(
    "unused_product_updates",
    (
        ("place", "text"),
        ("receivedAt", "integer"),
        ("partition", "integer"),
        ("offset", "integer"),
        ("source", "text"),
        ("reason", "text"),
        ("message", "text"),
        ("record", "text"),
    ),
    ("place",),
    ("receivedAt",),
    view=RowView(
        "Product updates that are not used",
        "Records of the stream of product updates that are no update, or that are beyond what is"
        " remembered of a product, with the reason.",
        (
            ShownColumn("partition", "integer", "{partition}", "The partition of the record"),
            ShownColumn("offset", "integer", "{offset}", "Its offset there"),
            ShownColumn("received_at", "instant", "{receivedAt}", "When it was taken in"),
            ShownColumn("source", "text", "{source}", "Who sent it"),
            ShownColumn("reason", "text", "{reason}", "Why it is not used, in a word"),
            ShownColumn("message", "text", "{message}", "What to send instead"),
            ShownColumn("record", "text", "{record}", "The record, or its beginning"),
        ),
    ),
    stream=PRODUCT_STREAM,
    grows=True,
)

PRODUCT_TABLES = (PRODUCTS, UNUSED_UPDATES)
