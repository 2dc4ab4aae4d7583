"""What each epoch changed among the rows of folds, for whoever follows them.

An engine commits these notices with the epoch: by fold which rows are other ones, and which are
gone. The last epochs' rest in the store, in a ring, so that a follower finds there what it missed
and looks at no row that stayed. What is filled (a new fold) or has expired is no news.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from rtcdp.definitions import NO_VIEW, Fold, RowTable
from rtcdp.folds.rows import row_schema
from rtcdp.folds.timeline import TIMELINE
from rtcdp.store import RowChanges, StoreSnapshot

KEPT_EPOCHS = 256
"""So many epochs back a follower finds what changed."""

GONE_MAX = 2_000
"""So many rows of a fold that are gone an epoch names, and as many that changed as the fold's step
says (`named_max`): those that began last. All of them are counted."""

NAME_BYTES = 120
"""What the name of a row that changed takes, about: so many of these they have together at most."""

GONE_BYTES, CHANGED_BYTES = 64 * 1024, 24 * 1024
"""What the names in one row of a store have together, about, which takes no more than twice that.
Further ones of rows that changed are in rows of their own, `PARTS_MAX` at most."""

PARTS_MAX = 40

NOTICES = RowTable(
    "notices__",
    (
        ("fold", "text"),
        ("slot", "text"),
        ("epoch", "integer"),
        ("gone_count", "integer"),
        ("changed_count", "integer"),
        ("gone", "text"),
        ("changed", "text"),
    ),
    ("fold", "slot"),
    view=NO_VIEW,
)
"""Where they rest. Nothing else has a name like this; `gone` and `changed` are JSON, a list of each
row's primary key."""


@dataclass(frozen=True)
class Noticed:
    """What changed in a fold since an epoch: the primary `keys` of the rows that are named, each
    once; how many changed, or went, without being named; and whether all epochs were still there
    to be looked up."""

    keys: pl.DataFrame
    more_changed: int
    more_gone: int
    is_whole: bool


def tables_beside(folds: Iterable[Fold]) -> tuple[RowTable, ...]:
    """What has to be prepared beside the tables of folds."""
    return (NOTICES,) if tuple(folds) else ()


def rests_beside_folds(table: str) -> bool:
    """Whether a table of this name is no fold's, but holds what folds need."""
    return table.startswith(TIMELINE) or table == NOTICES.name


def with_notices(
    changes: Sequence[RowChanges], folds: Iterable[Fold], epoch: int
) -> tuple[RowChanges, ...]:
    """The changes of an epoch, and beside them the notices of what they do to these folds."""
    by_name = {fold.name: fold for fold in folds}
    rows = [
        row
        for each in changes
        if each.table.name in by_name
        for row in _notice(each, by_name[each.table.name].step.named_max, epoch)
    ]
    if not rows:
        return tuple(changes)
    notices = pl.DataFrame(rows, row_schema(NOTICES.columns), orient="row")
    return (*changes, RowChanges(NOTICES, notices.select(NOTICES.primary_key).clear(), notices))


def renumbered(notices: RowChanges, epoch: int) -> RowChanges:
    """The notices of one epoch under another number, which is the one that followers go by."""
    part = pl.col("slot").str.slice(len(_slot(epoch)))
    rows = notices.replace.with_columns(
        slot=pl.lit(_slot(epoch)) + part, epoch=pl.lit(epoch, pl.Int64())
    )
    return RowChanges(NOTICES, notices.delete, rows)


def noticed(snapshot: StoreSnapshot, fold: Fold, after_epoch: int) -> Noticed:
    """What the epochs after one changed in a fold."""
    newest = snapshot.progress.epoch
    first = max(after_epoch + 1, newest - KEPT_EPOCHS + 1)
    parts = range(min(PARTS_MAX, -(-fold.step.named_max * NAME_BYTES // CHANGED_BYTES)))
    slots = [_slot(epoch, part) for epoch in range(first, newest + 1) for part in parts]
    asked = pl.DataFrame({"fold": [fold.name] * len(slots), "slot": slots}, _TEXTS)
    notices = snapshot.rows(NOTICES, asked).filter(pl.col("epoch") >= first)
    gone, changed = (_named(notices[name], fold) for name in ("gone", "changed"))
    return Noticed(
        keys=pl.concat([gone, changed]).unique(maintain_order=True),
        more_changed=int(notices["changed_count"].sum()) - changed.height,
        more_gone=int(notices["gone_count"].sum()) - gone.height,
        is_whole=first == after_epoch + 1,
    )


_TEXTS = {"fold": pl.String(), "slot": pl.String()}


def _slot(epoch: int, part: int = 0) -> str:
    """Where the names of an epoch rest: the first part of them, and then the others. What rests
    there of epochs long ago is no notice of this one."""
    slot = f"{epoch % KEPT_EPOCHS:03d}"
    return f"{slot}.{part}" if part else slot


def _notice(change: RowChanges, named_max: int, epoch: int) -> Iterator[tuple[object, ...]]:
    """What an epoch does to a fold; the counts are in the first part."""
    table = change.table
    bytes_max = min(named_max * NAME_BYTES, PARTS_MAX * CHANGED_BYTES)
    parts = _parts(_names(change.replace, table, named_max, bytes_max), CHANGED_BYTES)
    gone = _listed(_names(change.delete, table, GONE_MAX, GONE_BYTES))
    counts = change.delete.height, change.replace.height
    for part, names in enumerate(parts or [[]]):
        yield (table.name, _slot(epoch, part), epoch, *counts, gone, _listed(names))
        gone, counts = "[]", (0, 0)


def _names(rows: pl.DataFrame, table: RowTable, rows_max: int, bytes_max: int) -> list[bytes]:
    """The primary keys of the rows that began last, each as JSON."""
    time = table.order[0]
    keys = rows.select(table.primary_key)
    newest = keys.top_k(rows_max, by=time) if keys.height > rows_max else keys
    named = [msgspec.json.encode(key) for key in newest.sort(time, descending=True).iter_rows()]
    return next(iter(_parts(named, bytes_max)), [])


def _parts(names: Sequence[bytes], bytes_max: int) -> list[list[bytes]]:
    """Names by and by, in parts of so many bytes at most."""
    parts: list[list[bytes]] = []
    size = bytes_max
    for name in names:
        size += len(name) + 1
        if size > bytes_max:
            parts.append([])
            size = len(name) + 1
        parts[-1].append(name)
    return parts


def _listed(names: Sequence[bytes]) -> str:
    return (b"[" + b",".join(names) + b"]").decode()


def _named(texts: pl.Series, fold: Fold) -> pl.DataFrame:
    table = fold.table
    types = {name: kind for name, kind in table.columns if name in table.primary_key}
    schema = row_schema((name, types[name]) for name in table.primary_key)
    keys = [key for text in texts for key in msgspec.json.decode(text)]
    return pl.DataFrame(keys, schema, orient="row")


def without_user(
    snapshot: StoreSnapshot, user_id: str, gone: Mapping[str, int], epoch: int
) -> pl.DataFrame:
    """The notices that name a user, without these names; and, of folds of which rows have `gone`, a
    new one for this epoch, which tells how many and names none: who follows them looks at all."""
    page = snapshot.row_page(NOTICES, limit=1_000_000)
    changed = {
        (fold, _slot(epoch)): (fold, _slot(epoch), epoch, count, 0, "[]", "[]")
        for fold, count in gone.items()
    }
    for row in page.iter_rows():
        fold, slot, *counts, names_gone, names_changed = row
        named = [_unnamed(names, user_id) for names in (names_gone, names_changed)]
        if (fold, slot) not in changed and named != [names_gone, names_changed]:
            changed[fold, slot] = (fold, slot, *counts, *named)
    return pl.DataFrame(list(changed.values()), row_schema(NOTICES.columns), orient="row")


def _unnamed(names: str, user_id: str) -> str:
    if msgspec.json.encode(user_id).decode() not in names:
        return names
    keys = msgspec.json.decode(names)
    kept = [key for key in keys if user_id not in key]
    return names if len(kept) == len(keys) else msgspec.json.encode(kept).decode()
