"""Many plausible events fast, for benchmarks: columns first, text last."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rtcdp.clock import HOUR_MS

CHUNK_EVENTS = 65_536
MAX_SET_BACK_MS = 5_000
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00.000Z

_PRODUCTS = 500
_SESSIONS_PER_USER = 8


def bench_events(
    count: int,
    *,
    users: int = 1_000,
    seed: int = 0,
    with_ids: bool = True,
    start_ms: int = START_MS,
) -> Iterator[bytes]:
    """Yield `count` events as NDJSON in chunks of up to `CHUNK_EVENTS` lines (about 13 MB).

    Users are user_0000 and on, all alike. Times are uniform over the hour from `start_ms`,
    sorted, and then each set back by 0 to 5 s at random. Of 100 events about 70 are PAGE_VIEW,
    20 ADD_TO_CART and 10 PURCHASE; the latter two have a value. A line is about 200 bytes. The
    same arguments give the same bytes. Event ids differ with the seed.
    """
    generator = np.random.default_rng(seed)
    past = 0.0
    for first in range(0, count, CHUNK_EVENTS):
        size = min(CHUNK_EVENTS, count - first)
        shares, past = _next_of_sorted(generator, past, size, count - first)
        times_ms = start_ms + (shares * HOUR_MS).astype(np.int64)
        times_ms -= generator.integers(0, MAX_SET_BACK_MS + 1, size)
        frame = _columns(generator, users, times_ms)
        if with_ids:
            ids = pl.int_range(first, first + size, eager=True).cast(pl.String).str.zfill(9)
            frame = frame.with_columns(event_id=ids)
        yield _as_ndjson(frame, f'{{"eventId":"b{seed}-' if with_ids else None)


def _next_of_sorted(
    generator: np.random.Generator, past: float, size: int, remaining: int
) -> tuple[NDArray[np.float64], float]:
    """The next `size` of `remaining` sorted uniform numbers in [past, 1), and the last of them.

    The k-th smallest of n uniform numbers has the beta distribution (k, n - k + 1); those below
    it are uniform again. So a long sorted sequence is drawn piece by piece.
    """
    last = past + (1 - past) * generator.beta(size, remaining - size + 1)
    shares = np.sort(generator.uniform(past, last, size))
    return shares, last


def _columns(
    generator: np.random.Generator, users: int, times_ms: NDArray[np.int64]
) -> pl.DataFrame:
    size = len(times_ms)
    kind = generator.random(size)
    # Squared, so that a few products are much in demand.
    product = (generator.random(size) ** 2 * _PRODUCTS).astype(np.int16)
    frame = pl.DataFrame(
        {
            "user": generator.integers(0, users, size, dtype=np.int32),
            "visit": generator.integers(0, _SESSIONS_PER_USER, size, dtype=np.int8),
            "time": times_ms,
            "kind": kind,
            "product": product,
            "cents": generator.integers(100, 50_000, size, dtype=np.int32),
        }
    )
    width = max(4, len(str(users - 1)))
    return frame.select(
        user=pl.col("user").cast(pl.String).str.zfill(width),
        visit=pl.col("visit").cast(pl.String),
        time=pl.col("time").cast(pl.Datetime("ms")).dt.to_string("iso:strict"),
        kind=pl.when(pl.col("kind") < 0.7)
        .then(pl.lit("PAGE_VIEW"))
        .when(pl.col("kind") < 0.9)
        .then(pl.lit("ADD_TO_CART"))
        .otherwise(pl.lit("PURCHASE")),
        product=pl.col("product").cast(pl.String).str.zfill(4),
        value=pl.when(pl.col("kind") < 0.7)
        .then(pl.lit(""))
        .otherwise(
            pl.format(
                ',"value":{}.{}',
                pl.col("cents") // 100,
                (pl.col("cents") % 100).cast(pl.String).str.zfill(2),
            )
        ),
    )


def _as_ndjson(frame: pl.DataFrame, opening_with_id: str | None) -> bytes:
    opening = [pl.lit('{"userId":"user_')]
    if opening_with_id is not None:
        opening = [pl.lit(opening_with_id), pl.col("event_id"), pl.lit('","userId":"user_')]
    lines = frame.select(
        pl.concat_str(
            *opening,
            "user",
            pl.lit('","sessionId":"session_'),
            "user",
            pl.lit("_"),
            "visit",
            pl.lit('","timestamp":"'),
            "time",
            pl.lit('Z","eventType":"'),
            "kind",
            pl.lit('","productId":"product_'),
            "product",
            pl.lit('","pageUrl":"/products/product_'),
            "product",
            pl.lit('"'),
            "value",
            pl.lit("}"),
        ).str.join("\n")
    )
    return str(lines.item()).encode() + b"\n"
