"""The second stream: product updates, from their log to versions that rest in the store.

Whichever engine it is, it lets `ProductUpdates` take a step between two epochs. A step reads what
is there, makes rows of it, and commits them with the offsets to go on from, in one transaction: so
each update has its effect once, whatever is killed. What rests is a function of the set of updates
(the newest versions of each product by their beginning; of two with one beginning, the one that
was taken in later), so it makes no difference where batches are cut.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from rtcdp.definitions import RowTable
from rtcdp.definitions.products import PRODUCTS, UNUSED_UPDATES
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.product_update import decode_product_update
from rtcdp.folds.rows import row_schema
from rtcdp.log.contract import LogReader, OffsetsMissing, RawRecord
from rtcdp.log.limits import Retention
from rtcdp.store import RowChanges, Store

HISTORY_FULL = "history_full"
"""Why a version is not remembered: there are as many later ones of its product as are kept."""

MAX_VERSIONS = 1_000
"""So many versions of a product are remembered if nobody says otherwise."""

_BATCH_BYTES = 4 * 2**20
_LOOK_EVERY_S = 0.25
_SHORTEN_EVERY_S = 60.0
_FOREVER_MS = 2**53
_RECORD_LETTERS = 2_000
"""What is kept of a record that is not used is its beginning."""

_KEY = ["productId", "validFrom"]
_ARRIVAL = ["receivedAt", "partition", "offset"]
_SCHEMA = row_schema(PRODUCTS.columns)
_UNUSED_SCHEMA = row_schema(UNUSED_UPDATES.columns)


@dataclass(frozen=True)
class VersionChanges:
    """The versions to delete and to replace, and the `dropped` ones that there is no room for."""

    delete: pl.DataFrame
    replace: pl.DataFrame
    dropped: pl.DataFrame


class ProductUpdates:
    """Brings a store's products up to the end of a log of updates, a step at a time.

    It writes through the `store` of the engine that calls it, between that one's epochs, and so
    under its lease. Beyond `max_log_bytes` the oldest updates that rest in the store are deleted
    from the log, where that can.
    """

    tables: tuple[RowTable, ...] = (PRODUCTS, UNUSED_UPDATES)
    """What an engine has to prepare beside its own."""

    def __init__(
        self,
        log: LogReader,
        store: Store,
        max_versions: int = MAX_VERSIONS,
        max_log_bytes: int = Retention.max_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._store = store
        self._max_versions = max_versions
        # History is the point: nothing goes by its age.
        self._kept_in_log = Retention(_FOREVER_MS, max_log_bytes, 0)
        self._shortened_at = float("-inf")
        self._monotonic = monotonic
        self._looked_at = float("-inf")
        self._is_lost = False

    def is_due(self) -> bool:
        """Whether it is time for a step, for an engine that has other work."""
        return self._monotonic() - self._looked_at >= _LOOK_EVERY_S

    def step(self, on_trouble: Callable[[str], None] = lambda _: None) -> bool:
        """Take what the log holds now, one batch of each partition; True if there was anything.
        `on_trouble` takes a sentence when the log no longer has what comes next; then it stands
        still until it is made anew.

        Raises `LogUnavailable` and `StoreUnavailable`: the same step can be tried again.
        """
        self._looked_at = self._monotonic()
        if self._is_lost:
            return False
        partitions = self._log.partitions()
        known = dict(self._store.backfill_offsets(PRODUCTS.name) or {}) if partitions else {}
        has_worked = False
        for partition in partitions:
            extent = self._log.extent(partition)
            offset = known.get(partition, extent.first_offset)
            if offset == extent.next_offset:
                continue
            try:
                records = self._log.read(partition, offset, _BATCH_BYTES)
            except OffsetsMissing as error:
                self._is_lost = True
                on_trouble(f"product updates are not followed any more: {error}; {error.hint}")
                return has_worked
            if not len(records):
                continue
            known[partition] = records.next_offset
            self._commit(records.each(), known)
            has_worked = True
        if has_worked and self._looked_at - self._shortened_at >= _SHORTEN_EVERY_S:
            self._shortened_at = self._looked_at
            self._log.expire(known, self._kept_in_log, 0)
        return has_worked

    def _commit(self, records: Iterator[RawRecord], next_offsets: dict[int, int]) -> None:
        updates, unused = _judged(records)
        with self._store.snapshot() as snapshot:
            touched = updates.select("productId").unique(maintain_order=True)
            known = snapshot.rows(PRODUCTS, touched) if touched.height else updates.clear()
        changes = version_changes(known, updates, self._max_versions)
        unused = pl.concat([unused, _without_room(changes.dropped)])
        if unused.height:
            # By themselves, and first: written again after a crash they are the same rows.
            keys = unused.select(UNUSED_UPDATES.primary_key).clear()
            rows = RowChanges(UNUSED_UPDATES, keys, unused)
            self._store.commit_backfill(UNUSED_UPDATES.name, [rows], next_offsets, complete=False)
        rows = RowChanges(PRODUCTS, changes.delete, changes.replace)
        self._store.commit_backfill(PRODUCTS.name, [rows], next_offsets, complete=False)


def version_changes(
    known: pl.DataFrame, updates: pl.DataFrame, max_versions: int
) -> VersionChanges:
    """What `updates` change among the versions that are `known` of their products; both have the
    columns of `PRODUCTS`, in any order."""
    marked = pl.concat(
        [
            known.with_columns(pl.lit(True).alias("rests")),
            updates.with_columns(pl.lit(False).alias("rests")),
        ]
    )
    standing = marked.sort(*_KEY, *_ARRIVAL, "rests").unique(_KEY, keep="last", maintain_order=True)
    place = pl.int_range(pl.len()).reverse().over("productId")
    is_kept = standing.select(place < max_versions).to_series()
    kept, beyond = standing.filter(is_kept), standing.filter(~is_kept)
    return VersionChanges(
        beyond.join(known, on=_KEY, how="semi").select(_KEY),
        kept.filter(~pl.col("rests")).drop("rests"),
        beyond.drop("rests"),
    )


def _judged(records: Iterator[RawRecord]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records as versions, and those that are none."""
    updates, unused = [], []
    for record in records:
        verdict = (
            Rejection("corrupt", "log", "the stored record is damaged")
            if record.is_corrupt
            else decode_product_update(record.raw)
        )
        at = record.received_at
        if isinstance(verdict, Rejection):
            text = record.raw.decode("utf-8", "replace").replace("\0", "�")[:_RECORD_LETTERS]
            place = (record.partition, record.offset, record.source)
            why = (verdict.reason, verdict.message[:_RECORD_LETTERS])
            unused.append((_place_text(*place[:2]), at, *place, *why, text))
            continue
        begins = at if verdict.valid_from_ms is None else verdict.valid_from_ms
        said = (verdict.name, verdict.category, verdict.price)
        updates.append((verdict.product_id, begins, *said, at, record.partition, record.offset))
    return (
        pl.DataFrame(updates, _SCHEMA, orient="row"),
        pl.DataFrame(unused, _UNUSED_SCHEMA, orient="row"),
    )


def _without_room(dropped: pl.DataFrame) -> pl.DataFrame:
    rows = [
        (
            _place_text(partition, offset),
            at,
            partition,
            offset,
            "",
            HISTORY_FULL,
            "as many later ones as are remembered of a product: see products.max_versions",
            f"{product_id} from {begins}: category {category}",
        )
        for product_id, begins, _, category, _, at, partition, offset in dropped.iter_rows()
    ]
    return pl.DataFrame(rows, _UNUSED_SCHEMA, orient="row")


def _place_text(partition: int, offset: int) -> str:
    return f"{partition}/{offset}"
