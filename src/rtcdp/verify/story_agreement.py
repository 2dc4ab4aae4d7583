"""Does an installation tell of each key's story what the judge tells? Row by row, as answers of the
API show them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from rtcdp.answers.fold_rows import Told
from rtcdp.definitions import Fold
from rtcdp.store import RowScan, StoreSnapshot
from rtcdp.verify.agreement import Disagreement
from rtcdp.verify.event_values import Event
from rtcdp.verify.judge import Judge, Key
from rtcdp.verify.plain import plain_fold
from rtcdp.verify.stored import Rows, milliseconds
from rtcdp.verify.story_judge import rows_of, settled_at, stories_in

VALUE_ERROR = 1e-9
"""A sum of values is shown as a floating-point number."""

_PAGE = 10_000
_LISTS = {"path", "products"}


@dataclass(frozen=True)
class StoriesTold:
    """What one state of a store tells of folds, by their names, and up to where all is final (UTC
    ms). Rows that begin before `rows_from`, by name, may hang on what is deleted."""

    watermark: int | None
    rows: Mapping[str, Rows]
    rows_from: Mapping[str, int] = field(default_factory=dict)


def read_told(snapshot: StoreSnapshot, folds: Sequence[Fold], lateness_ms: int) -> StoriesTold:
    """All rows of folds as answers show them."""
    watermark = snapshot.progress.watermark(lateness_ms)
    told = [Told(fold, snapshot, watermark, None) for fold in folds]
    return StoriesTold(watermark, {each.fold.name: dict(_all_shown(each)) for each in told})


def with_what_is_gone(
    told: StoriesTold, folds: Sequence[Fold], gone_before: int | None
) -> tuple[StoriesTold, tuple[str, ...]]:
    """The same where nothing from before a time (UTC ms; None: from the beginning) is there any
    more; and the names of folds whose rows hang on whole stories, of which nothing can be said."""
    if gone_before is None:
        return told, ()
    rows_from: dict[str, int] = {}
    for fold in folds:
        before_ms, after_ms = fold.step.reach.before_ms, fold.step.reach.after_ms
        if before_ms is not None and after_ms is not None:
            rows_from[fold.name] = gone_before + before_ms + after_ms
    lost = tuple(fold.name for fold in folds if fold.name not in rows_from)
    return replace(told, rows_from=rows_from), lost


def all_story_disagreements(
    judge: Judge, folds: Sequence[Fold], told: StoriesTold, lost: Sequence[str] = ()
) -> tuple[list[Disagreement], list[str]]:
    """What is told of these folds otherwise than by a judge who kept all events, without those of
    the names in `lost`; and what could not be compared."""
    left_out = [f"fold {name}: what its stories began with is deleted" for name in lost]
    wrong: list[Disagreement] = []
    for fold in folds:
        if fold.name in lost:
            continue
        of_fold, too_long = story_disagreements(fold, judge.admitted or (), told)
        wrong += of_fold
        if too_long:
            left_out.append(f"fold {fold.name}: {too_long:,} stories are too long to be judged")
    return wrong, left_out


def story_disagreements(
    fold: Fold, events: Sequence[Event], told: StoriesTold
) -> tuple[list[Disagreement], int]:
    """What an installation tells otherwise than the judge; and how many stories were too long to be
    judged."""
    plain, about = plain_fold(fold), f"story {fold.name}"
    stories, too_long = stories_in(events, fold.key)
    begins, passed_over = told.rows_from.get(fold.name), set(too_long)

    def compared(rows: Rows) -> Rows:
        return {
            key: row
            for key, row in rows.items()
            if key[0] not in passed_over and (begins is None or key[1] >= begins)
        }

    judged: dict[Key, Mapping[str, Any]] = {}
    for who, story in stories.items():
        for key, row in rows_of(plain, who, story).items():
            settled = settled_at(plain, key, row)
            is_open = settled is None or told.watermark is None or settled > told.watermark
            judged[key] = row | {"open": is_open}
    expected, found = compared(judged), compared(told.rows[fold.name])
    wrong = [
        each
        for key in sorted(expected.keys() | found.keys(), key=str)
        for each in _of_row(about, key, expected.get(key), found.get(key))
    ]
    return wrong, len(too_long)


def _of_row(
    about: str, key: Key, expected: Mapping[str, Any] | None, found: Mapping[str, Any] | None
) -> Iterator[Disagreement]:
    if expected is None or found is None:
        yield Disagreement(about, key, expected, found)
        return
    for name, value in expected.items():
        if not _agree(value, found.get(name)):
            yield Disagreement(about, (*key, name), value, found.get(name))


def _agree(expected: Any, found: Any) -> bool:
    if isinstance(expected, frozenset):
        return found in expected
    if isinstance(expected, float) and isinstance(found, float):
        return abs(expected - found) <= VALUE_ERROR * max(1.0, abs(expected))
    return bool(expected == found)


def _all_shown(told: Told) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    scan = RowScan(told.fold.table, limit=_PAGE)
    while True:
        page = told.snapshot.row_scan(scan)
        yield from as_shown(told, page)
        if page.height < _PAGE:
            return
        scan = replace(scan, after=page.select(told.fold.primary_key).row(-1))


def as_shown(told: Told, rows: pl.DataFrame) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Rows as answers show them, times as UTC ms and JSON lists as lists, by their primary key."""
    instants = [each.field for each in told.view.columns if each.kind == "instant"]
    keys = rows.select(told.fold.primary_key).rows()
    for key, item in zip(keys, told.shown(rows), strict=True):
        for name in instants:
            item[name] = None if item[name] is None else milliseconds(item[name])
        for name in _LISTS & item.keys():
            item[name] = json.loads(item[name])
        yield key, item
