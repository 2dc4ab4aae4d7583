"""Figures and lists."""

import pytest

from rtcdp.dashboard.overview.figures import FIGURES, Figure, ranked


def figure(kind: str, now: float | None, before: float | None, **more: str) -> Figure:
    return Figure("x", "X", kind, "", closed_total=now, before_total=before, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "change", "tone"),
    [
        (figure("count", 150, 100), 0.5, "good"),
        (figure("count", 50, 100), -0.5, "bad"),
        (figure("count", 100, 100), 0, "even"),
        (figure("share", 0.3, 0.2, is_better="less"), 0.1, "bad"),
        (figure("count", 5, 0), None, "even"),
        (figure("count", 5, None), None, "even"),
    ],
)
def test_a_figure_is_compared_with_the_time_before(
    one: Figure, change: float | None, tone: str
) -> None:
    assert one.change == (None if change is None else pytest.approx(change))
    assert one.tone == tone


def test_there_are_the_eight_that_a_shop_looks_at() -> None:
    assert [each.title for each in FIGURES] == [
        *("Active users", "Page views", "Sessions", "Revenue"),
        *("Orders", "Conversion", "Bounce rate", "Carts"),
    ]


def test_the_largest_come_first() -> None:
    rows = ranked([("b", 2), ("c", 4), ("a", 2)], limit=2)
    assert [(row.label, row.share) for row in rows] == [("c", 1), ("a", 0.5)]
    assert ranked([]) == ()
