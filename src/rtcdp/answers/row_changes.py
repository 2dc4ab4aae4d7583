"""What has changed among a fold's rows since they were looked at last; also which are gone.

A late event may join two sessions: whoever follows rows is told of the one that went, however old
it is. What changed is taken from the notices that an engine commits with its epochs.
"""

from typing import Any

import msgspec
import polars as pl

from rtcdp.answers.fold_rows import Told, newest_first
from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, in_polars
from rtcdp.engines.notices import noticed
from rtcdp.folds.rows import empty_rows
from rtcdp.store import RowScan

TOLD_ROWS = 100
"""So many changed rows are told at once; how many there were is told besides."""

TOLD_GONE = 2_000
"""So many rows that are gone are told at once; how many there were is told besides."""


FINAL_ROWS = 1_000
"""So many rows that have become final are told at once; what is beyond is `missed`."""


class RowsChanged(msgspec.Struct, omit_defaults=True):
    """What changed in a fold between two epochs: rows as they are now, newest first, and what names
    those that are `gone`. At most 100 and 2,000 of them are told, those that began last;
    `changed_count` and `gone_count` say how many there were. Of joins, `final` are the rows that no
    event can change any more since then, so each is told there once: with a partner or, in the end,
    without. Messages of a fold are numbered: where
    a number is missing, so are changes, and where `missed` is there, it is not known how many."""

    fold: str
    number: int
    epoch: int
    changed: list[dict[str, Any]]
    changed_count: int
    gone: list[dict[str, Any]]
    gone_count: int
    final: list[dict[str, Any]] = []
    missed: bool = False


class RowsWatch:
    """Watches the rows of a fold, as one snapshot after another has them."""

    def __init__(self, fold: Fold, number: int = 0) -> None:
        self.fold = fold
        self.number = number
        self.forget()

    def forget(self) -> None:
        """Look anew: what changes meanwhile is not told."""
        self._epoch: int | None = None
        self._watermark: int | None = None

    @property
    def has_looked(self) -> bool:
        """Whether what changes from now on is told by the next look."""
        return self._epoch is not None

    def look(self, told: Told) -> RowsChanged | None:
        """What has changed since the last look; None where nothing has, and at the first one."""
        epoch, last = told.snapshot.progress.epoch, self._epoch
        self._epoch = epoch
        since = self._watermark
        if told.watermark is not None:
            # With another partition it goes back, and nothing is told twice.
            self._watermark = max(told.watermark, told.watermark if since is None else since)
        # Rows become final without an epoch too: where it is seen that nothing comes any more.
        if last is None or (last >= epoch and since == self._watermark):
            return None
        news = noticed(told.snapshot, self.fold, last)
        changed = self._there(told, news.keys)
        gone = news.keys.join(changed, on=self.fold.primary_key, how="anti")
        final = _became_final(told, since, self._watermark)
        message = RowsChanged(
            fold=self.fold.name,
            number=self.number + 1,
            epoch=epoch,
            changed=told.shown(newest_first(self.fold, changed).head(TOLD_ROWS)),
            changed_count=changed.height + news.more_changed,
            gone=self._names(told, newest_first(self.fold, gone).head(TOLD_GONE)),
            gone_count=gone.height + news.more_gone,
            final=told.shown(final.head(FINAL_ROWS)),
            missed=not news.is_whole or final.height > FINAL_ROWS,
        )
        if not (message.changed_count or message.gone_count or message.final or message.missed):
            return None
        self.number += 1
        return message

    def _there(self, told: Told, keys: pl.DataFrame) -> pl.DataFrame:
        """Of these rows those that are there now."""
        time = pl.col(self.fold.step.order[0])
        spans = keys.group_by(self.fold.key).agg(
            time.min().alias(RANGE_FROM), (time.max() + 1).alias(RANGE_TO)
        )
        rows = told.snapshot.rows(self.fold.table, spans)
        return rows.join(keys, on=self.fold.primary_key, how="semi")

    def _names(self, told: Told, keys: pl.DataFrame) -> list[dict[str, Any]]:
        """What tells rows apart: their id where they have one, and their primary key."""
        key = {f"{{{name}}}" for name in self.fold.primary_key}
        columns = [each for each in told.view.columns if each.name == "id" or each.sql in key]
        items = keys.select(in_polars(each.sql).alias(each.field) for each in columns).to_dicts()
        for item in items:
            for each in columns:
                if each.kind == "instant":
                    item[each.field] = iso_ms(item[each.field])
        return items


def _became_final(told: Told, since: int | None, watermark: int | None) -> pl.DataFrame:
    """The rows that no event can change any more, and could before the watermark came from one to
    another; newest first, one more than are told at most."""
    after_ms = told.fold.step.final_after_ms
    if after_ms is None or since is None or watermark is None or since >= watermark:
        return empty_rows(told.fold.columns)
    first, end = since - after_ms + 1, watermark - after_ms + 1
    return told.snapshot.row_scan(RowScan(told.fold.table, first, end, limit=FINAL_ROWS + 1))
