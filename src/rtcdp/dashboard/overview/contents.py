"""What sessions had in them, pages and products, as other folds than that of the sessions tell it.

A page is looked for among the first ones of a session, as the fold of paths keeps them, and a
product among the last ones, as the fold of product sessions does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_rows import rows_kept
from rtcdp.definitions import Fold
from rtcdp.definitions.predicate import Everything
from rtcdp.errors import NotThere
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.sessions import Sessions

PAGE_IN, PRODUCT_IN = "page", "product"
CONTENTS = (PAGE_IN, PRODUCT_IN)

_PAGE_URL = "pageUrl"
_LISTS: Mapping[str, str] = {PAGE_IN: "path", PRODUCT_IN: "products"}
"""The columns that have them, as JSON lists."""


@dataclass(frozen=True)
class Content:
    """What may be in sessions: of which `fold` it is told, and how that is said."""

    name: str
    fold: Fold
    says: str


def content_of(folds: Sequence[Fold], sessions: Fold, name: str) -> Content | None:
    """What tells of a kind of `CONTENTS` in the sessions of a fold; None where nothing in the
    catalog does."""
    for fold in folds:
        step = fold.step
        match step:
            case Paths(node="pageUrl", by="session", from_event=None, to_event=None) if (
                name == PAGE_IN
            ):
                says = f"sessions with it among their first {step.nodes_max} pages"
            case ProductSessions() if name == PRODUCT_IN:
                says = "sessions in which it was looked at, put into the cart or bought"
            case _:
                continue
        is_all = isinstance(step.events, Everything)
        if is_all and fold.key == sessions.key and step.sessions == sessions.step:
            return Content(name, fold, says)
    return None


def contents_of(installation: Installation) -> Mapping[str, Content]:
    """The kinds of `CONTENTS` that the catalog tells of in its sessions."""
    try:
        sessions = find_fold(installation.folds, SESSIONS, SESSIONS)
    except NotThere:
        return {}
    found = (content_of(installation.folds, sessions, name) for name in CONTENTS)
    return {each.name: each for each in found if each is not None}


def longest_ms(sessions: Fold) -> int:
    """How long after its beginning something of a session may come."""
    return sessions.step.longest_ms if isinstance(sessions.step, Sessions) else 0


def with_contents(
    installation: Installation,
    sessions: Fold,
    rows: pl.DataFrame,
    span: tuple[int, int],
    wanted: Mapping[str, Sequence[str]],
) -> pl.DataFrame:
    """Of `rows` of sessions, sorted by `start` and with the hash of whose they are in `user`, those
    that have one of the `wanted` of each kind. They are all that began in a `span` (UTC ms).

    Raises `BadRequest` for more than are read at once, and `NotThere` where no fold tells of it.
    """
    for name, texts in wanted.items():
        found = _found(installation, _must_tell(installation, sessions, name), span, texts)
        places = rows.select("user", "start").with_row_index("place")
        joined = found.sort("started_at").join_asof(
            places, by="user", left_on="started_at", right_on="start", strategy="backward",
            check_sortedness=False,
        )  # fmt: skip
        rows = rows[joined["place"].drop_nulls().unique().sort()]
    return rows


def read_contents(installation: Installation, span: tuple[int, int]) -> None:
    """Read what sessions that began in a span (UTC ms) had in them, so that it is kept. Raises
    `BadRequest` and `StoreUnavailable`."""
    for content in contents_of(installation).values():
        _stories(installation, content, span)


def _must_tell(installation: Installation, sessions: Fold, name: str) -> Content:
    content = content_of(installation.folds, sessions, name)
    if content is None:
        raise NotThere(
            f"no fold of the catalog tells which {name}s were in a session",
            "take page_paths and product_sessions into folds",
        )
    return content


def _found(
    installation: Installation, content: Content, span: tuple[int, int], texts: Sequence[str]
) -> pl.DataFrame:
    """Whose stories have one of some texts in them, and when they began."""
    stories = _stories(installation, content, span)
    hashes = pl.Series(list(texts), dtype=pl.String).hash()
    has_one = pl.any_horizontal(pl.col("hashes").list.contains(each) for each in hashes)
    return stories.filter(has_one).select("user", "started_at")


def _stories(installation: Installation, content: Content, span: tuple[int, int]) -> pl.DataFrame:
    with open_told(installation, content.fold) as told:
        return rows_kept(installation.days, told, span, (_LISTS[content.name],), _narrowed)


def _narrowed(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each story what is looked for, in few bytes."""
    column = next(each for each in _LISTS.values() if each in rows.columns)
    texts = pl.col(column).str.json_decode(pl.List(pl.String))
    return rows.select(
        "started_at",
        pl.col(fold.key).hash().alias("user"),
        texts.list.eval(pl.element().hash()).alias("hashes"),
    )
