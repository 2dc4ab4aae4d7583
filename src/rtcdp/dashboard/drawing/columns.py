"""Amounts over time as columns that stand on zero."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, percentage
from rtcdp.words import compact

_HIGH_PX, _TOP_PX, _FOOT_PX = 150, 20, 22
_GROUND_PX = _HIGH_PX - _FOOT_PX
_LEAST_PX = 1.5
_FILLED = 0.8
"""How much of its place a column takes."""


@dataclass(frozen=True)
class ColumnOfTime:
    """One stretch of time: when it begins, and the amount in it."""

    label: str
    amount: float


def columns(stretches: Sequence[ColumnOfTime]) -> Markup:
    """One column for each stretch, from left to right, as wide as there is room."""
    if not stretches:
        return Markup("")
    most = max(each.amount for each in stretches)
    step = 1 / len(stretches)
    return element(
        "svg",
        element("text", compact(most), class_="note", x=0, y=_TOP_PX - 8),
        *(
            _column(each, (at * step, step), most)
            for at, each in enumerate(stretches)
            if each.amount
        ),
        element("line", class_="rule", x1=0, x2="100%", y1=_GROUND_PX, y2=_GROUND_PX),
        element("text", stretches[0].label, class_="note", x=0, y=_HIGH_PX - 5),
        element(
            "text", stretches[-1].label, class_="note", x="100%", y=_HIGH_PX - 5, text_anchor="end"
        ),
        class_="drawing columns",
        width="100%",
        height=_HIGH_PX,
        role="img",
        aria_label=f"{compact(sum(each.amount for each in stretches))} in {len(stretches)} "
        f"stretches of time, {compact(most)} in one at most",
    )


def _column(stretch: ColumnOfTime, place: tuple[float, float], most: float) -> Markup:
    left, step = place
    height = max(_LEAST_PX, stretch.amount / most * (_GROUND_PX - _TOP_PX))
    return element(
        "rect",
        element("title", f"{stretch.label}: {compact(stretch.amount)}"),
        class_="column",
        x=percentage(left + step * (1 - _FILLED) / 2),
        y=_GROUND_PX - height,
        width=percentage(step * _FILLED),
        height=height,
    )
