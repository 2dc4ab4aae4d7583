"""What is known of products: as of a time, one's versions, and updates that are not used."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import polars as pl

from rtcdp.answers.cursor import INSTANT, cursor_after, read_cursor
from rtcdp.answers.freshness import FreshAnswer, Installation, Reading, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import INSTANT as AS_INSTANT
from rtcdp.answers.question import NOW, Cursor, Limit
from rtcdp.definitions.products import PRODUCTS, UNUSED_UPDATES
from rtcdp.errors import NotThere
from rtcdp.store import RowScan, StoreSnapshot

PRODUCTS_PATH = "/api/products"
UNUSED_PATH = "/api/product-updates/unused"

ROWS_READ_MAX = 50_000
"""So many versions are looked at for one page; one that needs more goes on at its cursor."""

_ROWS_AT_ONCE = 1_000
_LAST_TIME = 2**63 - 1

Instant = Annotated[
    int | Literal["now"],
    msgspec.Meta(description="as of this time", extra=AS_INSTANT),
]


class ProductsQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which products, as of when."""

    at: Instant = "now"
    category: Annotated[
        tuple[str, ...], msgspec.Meta(description="products that are in this category then")
    ] = ()
    limit: Limit = 100
    cursor: Cursor = None


class ProductQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """As of when a product is asked for."""

    at: Instant = "now"


class UnusedUpdatesQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which updates that are not used."""

    reason: Annotated[tuple[str, ...], msgspec.Meta(description="with this reason")] = ()
    limit: Limit = 100
    cursor: Cursor = None


class ProductVersion(msgspec.Struct):
    """What is known of a product from `valid_from` on, until the next version of it begins; null
    stands for what its update left out."""

    productId: str  # noqa: N815
    name: str | None
    category: str | None
    price: float | None
    valid_from: str
    received_at: str


class ProductsPage(FreshAnswer, omit_defaults=True):
    """Products, by id, each with the version of the time that was asked for. Those that nothing was
    known of then are left out."""

    items: list[ProductVersion]
    next_cursor: str | None


class ProductAnswer(FreshAnswer, omit_defaults=True):
    """One product: the `current` version, as of the time that was asked for, null if there is none;
    and all `versions` that are remembered, newest first."""

    productId: str  # noqa: N815
    current: ProductVersion | None
    versions: list[ProductVersion]


class UnusedUpdate(msgspec.Struct):
    """A record of the stream that is not used: `record` is it, or its beginning; `message` says
    what to send instead."""

    partition: int
    offset: int
    source: str
    received_at: str
    reason: str
    message: str
    record: str


class UnusedUpdatesPage(FreshAnswer, omit_defaults=True):
    """Updates that are not used, newest first."""

    items: list[UnusedUpdate]
    next_cursor: str | None


def products_page(installation: Installation, question: ProductsQuestion) -> ProductsPage:
    """A page of products. Raises `BadRequest` and `StoreUnavailable`."""
    at = installation.clock.now_ms() if question.at == NOW else int(question.at)
    cursor = read_cursor(question.cursor, (str,))
    after = None if cursor is None else str(cursor[0])
    items: list[ProductVersion] = []
    is_read, read_count, last = False, 0, after
    with open_reading(installation) as reading:
        for versions in _product_by_product(reading, after):
            if len(items) == question.limit or read_count >= ROWS_READ_MAX:
                break
            last, read_count = str(versions["productId"][0]), read_count + versions.height
            then = versions.filter(pl.col("validFrom") <= at).tail(1)
            if not then.is_empty() and (
                not question.category or then["category"][0] in question.category
            ):
                items += _shown(then)
        else:
            is_read = True
    return ProductsPage(
        items,
        cursor_after(None if is_read or last is None else (last,)),
        **reading.freshness.fields,
    )


def product_answer(
    installation: Installation, product_id: str, question: ProductQuestion
) -> ProductAnswer:
    """What is known of one product. Raises `NotThere` for one that nothing was said of, and
    `StoreUnavailable`."""
    at = installation.clock.now_ms() if question.at == NOW else int(question.at)
    asked = pl.DataFrame({"productId": [product_id]})
    with open_reading(installation) as reading:
        rows = reading.snapshot.rows(PRODUCTS, asked).sort("validFrom", descending=True)
    if rows.is_empty():
        raise NotThere(
            f"nothing is known of the product {product_id[:100]!r}",
            f"ask {PRODUCTS_PATH} for those that are known, or send an update of it",
        )
    current = _shown(rows.filter(pl.col("validFrom") <= at).head(1))
    return ProductAnswer(
        product_id,
        current[0] if current else None,
        _shown(rows),
        **reading.freshness.fields,
    )


def unused_updates_page(
    installation: Installation, question: UnusedUpdatesQuestion
) -> UnusedUpdatesPage:
    """A page of updates that are not used. Raises `BadRequest` and `StoreUnavailable`."""
    cursor = read_cursor(question.cursor, (str, INSTANT))
    after, most = cursor, question.limit
    found: list[dict[str, Any]] = []
    with open_reading(installation) as reading:
        read_count = 0
        while len(found) <= most and read_count < ROWS_READ_MAX:
            scan = RowScan(UNUSED_UPDATES, after=after, limit=_ROWS_AT_ONCE)
            rows = reading.snapshot.row_scan(scan)
            read_count += rows.height
            found += [
                row
                for row in rows.to_dicts()
                if not question.reason or row["reason"] in question.reason
            ]
            if rows.height < _ROWS_AT_ONCE:
                break
            after = rows.select(UNUSED_UPDATES.primary_key).row(-1)
    last = found[most - 1] if len(found) > most else None
    place = None if last is None else (str(last["place"]), int(last["receivedAt"]))
    return UnusedUpdatesPage(
        [_shown_unused(row) for row in found[:most]],
        cursor_after(place),
        **reading.freshness.fields,
    )


def _product_by_product(reading: Reading, after: str | None) -> Iterator[pl.DataFrame]:
    """The versions of each product in order of time, product by product, after the id `after`."""
    rest = None
    for page in _pages(reading.snapshot, after):
        rows = page if rest is None else pl.concat([rest, page])
        *whole, rest = rows.partition_by("productId", maintain_order=True)
        yield from whole
    if rest is not None:
        yield rest


def _pages(snapshot: StoreSnapshot, after: str | None) -> Iterator[pl.DataFrame]:
    place = None if after is None else (after, _LAST_TIME)
    while True:
        page = snapshot.row_page(PRODUCTS, after=place, limit=_ROWS_AT_ONCE)
        if not page.is_empty():
            yield page
        if page.height < _ROWS_AT_ONCE:
            return
        place = page.select(PRODUCTS.primary_key).row(-1)


def _shown(rows: pl.DataFrame) -> list[ProductVersion]:
    return [
        ProductVersion(
            row["productId"],
            row["name"],
            row["category"],
            row["price"],
            iso_ms(row["validFrom"]),
            iso_ms(row["receivedAt"]),
        )
        for row in rows.iter_rows(named=True)
    ]


def _shown_unused(row: dict[str, Any]) -> UnusedUpdate:
    return UnusedUpdate(
        row["partition"],
        row["offset"],
        row["source"],
        iso_ms(row["receivedAt"]),
        row["reason"],
        row["message"],
        row["record"],
    )
