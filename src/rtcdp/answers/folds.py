"""The catalog of folds: which stories are told, of what kind each is, and where to ask for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rtcdp.answers.freshness import FreshAnswer, Installation, open_reading
from rtcdp.definitions import Fold, Step, as_plain_data
from rtcdp.errors import NotInCatalog, NotThere, UsageError, did_you_mean
from rtcdp.folds.funnels import Funnel
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.store import Store

FOLDS_PATH = "/api/folds/"
SESSIONS_PATH = "/api/sessions"
FUNNELS_PATH = "/api/funnels/"
RETENTION_PATH = "/api/retention/"
PATHS_PATH = "/api/paths/"
JOINS_PATH = "/api/joins/"

SESSIONS = "sessions"
"""The fold that `/api/sessions` tells without being asked for another."""

_KINDS: tuple[tuple[type[Step], str, str], ...] = (
    (Sessions, "sessions", SESSIONS_PATH),
    (Funnel, "funnel", FUNNELS_PATH),
    (Retention, "retention", RETENTION_PATH),
    (Paths, "paths", PATHS_PATH),
    (IntervalJoin, "join", JOINS_PATH),
)
_OTHER = "rows"


class ColumnDescription(msgspec.Struct):
    """A value of a row: what answers call it, its kind, and what it says."""

    name: str
    kind: str
    says: str


class FoldDescription(msgspec.Struct, omit_defaults=True):
    """One fold of the catalog. `kind` is sessions, funnel, retention, paths or join, or rows for a
    step of another kind; `definition` says all that is computed. `url` answers questions of its
    kind, `rows_url` tells its rows. While it is being filled from the log, `filled_percent` says
    how far that is."""

    name: str
    title: str
    description: str
    kind: str
    key: str
    definition: Any
    columns: list[ColumnDescription]
    fingerprint: str
    url: str
    rows_url: str
    filled_percent: int | None = None


class FoldCatalog(FreshAnswer, omit_defaults=True):
    """All folds."""

    items: list[FoldDescription]


def folds_page(installation: Installation, kind: str = "") -> FoldCatalog:
    """All folds, or those of one kind. Raises `StoreUnavailable`."""
    with open_reading(installation) as reading:
        fresh = reading.freshness
        ends = reading.snapshot.progress.next_offsets
    items = [
        described(fold, installation.store, ends)
        for fold in installation.folds
        if kind in ("", kind_of(fold.step))
    ]
    return FoldCatalog(items, **fresh.fields)


def kind_of(step: Step) -> str:
    """sessions, funnel, retention, paths, join or rows."""
    return next((kind for type_, kind, _ in _KINDS if isinstance(step, type_)), _OTHER)


def url_of(fold: Fold) -> str:
    """Where questions of its kind are answered."""
    path = next((path for type_, _, path in _KINDS if isinstance(fold.step, type_)), FOLDS_PATH)
    if path != SESSIONS_PATH:
        return f"{path}{fold.name}"
    return path if fold.name == SESSIONS else f"{path}?fold={fold.name}"


def described(fold: Fold, store: Store, ends: Mapping[int, int]) -> FoldDescription:
    """A fold in words; `ends` is how far all is counted."""
    view = fold.table.view
    assert view is not None, "a fold has a view"
    return FoldDescription(
        name=fold.name,
        title=fold.title,
        description=fold.description,
        kind=kind_of(fold.step),
        key=fold.key,
        definition=as_plain_data(fold.step),
        columns=[ColumnDescription(each.field, each.kind, each.says) for each in view.columns],
        fingerprint=fold.fingerprint,
        url=url_of(fold),
        rows_url=f"{FOLDS_PATH}{fold.name}",
        filled_percent=_filled_percent(store, fold, ends),
    )


def find_fold(folds: Sequence[Fold], name: str, kind: str = "") -> Fold:
    """The fold of that name, and of that kind if one is given.

    Raises `NotThere`, naming the folds that are there.
    """
    fitting = [fold for fold in folds if not kind or kind_of(fold.step) == kind]
    for fold in fitting:
        if fold.name == name:
            return fold
    for fold in folds:
        if fold.name == name:
            raise NotThere(
                f"{name} is no {kind}, but {kind_of(fold.step)}", f"ask for {url_of(fold)}"
            )
    what = kind or "fold"
    known = [fold.name for fold in fitting]
    raise NotInCatalog(
        f"there is no {what} {name[:100]!r}",
        f"{did_you_mean(name, known)}ask for one of: {', '.join(known)}"
        if known
        else f"add a file with one to the catalog ({what})",
    )


def is_incomplete(store: Store, fold: Fold) -> bool:
    """Whether no engine has told all events of it: it is new and being filled, or no running
    engine knows it."""
    try:
        return store.backfill_offsets(fold.name) is not None
    except UsageError:  # the store never heard of it
        return True


def _filled_percent(store: Store, fold: Fold, ends: Mapping[int, int]) -> int | None:
    """How much of what is counted has been told; None when that is all, or nothing is to do."""
    try:
        done = store.backfill_offsets(fold.name)
    except UsageError:
        return None
    if done is None or not any(ends.values()):
        return None
    return min(99, 100 * sum(done.values()) // sum(ends.values()))
