"""What recommendations come to: how many were shown, clicked and led to a purchase, by whether they
were for somebody who is held out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

import msgspec
import polars as pl

from rtcdp.answers.fold_rows import Span, open_told, slices_of, span_of
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.question import NAMES, From, Since, To
from rtcdp.definitions import MICROS_PER_UNIT, Fold
from rtcdp.errors import NotThere
from rtcdp.folds.recommendation_outcomes import GROUPS, Group, RecommendationOutcomes

_PARTS = tuple(
    f"{name}_{part}" for name in ("revenue", "revenue_after") for part in ("units", "micros")
)
_COUNTS = ("click_count", "purchase_count", "purchase_count_after")
_STORED = ("kind", "audience", *_COUNTS, *_PARTS)


class OutcomesQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which recommendations are added up, by when they were given, and how they are told apart."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    by: Annotated[
        Literal["audience", "kind"],
        msgspec.Meta(
            description="told apart by whether they were for somebody held out alone, or "
            "also by their `kind`: for a user, a product or a basket"
        ),
    ] = "audience"


class Outcomes(msgspec.Struct, omit_defaults=True):
    """What came of the recommendations for an audience: `recommended`, or `held_out`.

    `recommendations` of them were shown to `users`, or clicked; `clicked` is how many were clicked,
    `click_through` their share, `bought` how many led to a purchase. `purchases` and `revenue` are
    those purchases and the sum of their values. `purchases_after` and `revenue_after` are all that
    these users bought after one, whatever it was, before they saw another one: what audiences are
    compared by, per user. It is `open` while any of that may change.
    """

    audience: Group
    recommendations: int
    users: int
    clicked: int
    click_through: float
    bought: int
    purchases: int
    revenue: float
    purchases_after: int
    revenue_after: float
    revenue_after_per_user: float
    open: bool
    kind: str | None = None


class OutcomesPage(WholeAnswer, omit_defaults=True):
    """Audiences, those who get recommendations first. A purchase counts up to `within_ms` after a
    recommendation."""

    items: list[Outcomes]
    within_ms: int


def outcomes_page(installation: Installation, question: OutcomesQuestion) -> OutcomesPage:
    """What recommendations come to. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = outcomes_fold(installation.folds)
    step = cast("RecommendationOutcomes", fold.step)
    span = span_of(question.start_from, question.start_to, question.since, installation)
    units = ["audience", "kind"] if question.by == "kind" else ["audience"]
    with open_told(installation, fold) as told:
        slices = slices_of(told, told.kept(_early(span, step)), _STORED)
        names = ("audience", "kind", fold.key, *_COUNTS, *_PARTS)
        rows = pl.concat(rows.select(*names, told.is_open().alias("open")) for rows in slices)
    return OutcomesPage(
        items=[*_items(_summed(rows, units, fold.key))], within_ms=step.within_ms, **told.fields
    )


def outcomes_fold(folds: Sequence[Fold]) -> Fold:
    """The fold that tells what came of recommendations. Raises `NotThere`."""
    for fold in folds:
        if isinstance(fold.step, RecommendationOutcomes):
            return fold
    raise NotThere(
        "nothing is told of what came of recommendations",
        "put a fold with RecommendationOutcomes into your catalog; docs/recommendations.md has one",
    )


def _early(span: Span, step: RecommendationOutcomes) -> Span:
    """Rows are ordered by when events begin to count, which is earlier."""
    start, end = (None if at is None else at - step.early_ms for at in (span.start, span.end))
    return replace(span, start=start, end=end)


def _summed(rows: pl.DataFrame, units: Sequence[str], key: str) -> pl.DataFrame:
    return rows.group_by(units).agg(
        pl.len().alias("recommendations"),
        pl.col(key).n_unique().alias("users"),
        (pl.col("click_count") > 0).sum().alias("clicked"),
        (pl.col("purchase_count") > 0).sum().alias("bought"),
        pl.col("purchase_count").sum().alias("purchases"),
        pl.col("purchase_count_after").sum().alias("purchases_after"),
        pl.col(*_PARTS).sum(),
        pl.col("open").any(),
    )


def _items(sums: pl.DataFrame) -> Iterable[Outcomes]:
    by_place = sorted(
        sums.to_dicts(), key=lambda row: (GROUPS.index(row["audience"]), row.get("kind", ""))
    )
    for row in by_place:
        yield Outcomes(
            audience=row["audience"],
            recommendations=row["recommendations"],
            users=row["users"],
            clicked=row["clicked"],
            click_through=row["clicked"] / row["recommendations"],
            bought=row["bought"],
            purchases=row["purchases"],
            revenue=_value(row, "revenue"),
            purchases_after=row["purchases_after"],
            revenue_after=_value(row, "revenue_after"),
            revenue_after_per_user=_value(row, "revenue_after") / row["users"],
            open=row["open"],
            kind=row.get("kind"),
        )


def _value(row: dict[str, Any], name: str) -> float:
    units, micros = int(row[f"{name}_units"]), int(row[f"{name}_micros"])
    return (units * MICROS_PER_UNIT + micros) / MICROS_PER_UNIT
