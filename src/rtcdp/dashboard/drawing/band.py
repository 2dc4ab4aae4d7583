"""A series over time, within the band that it was expected in."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, number, percentage
from rtcdp.words import compact

_HIGH_PX, _TOP_PX, _FOOT_PX = 210, 20, 24
_GROUND_PX = _HIGH_PX - _FOOT_PX
_WIDE = 1000
"""The shapes are drawn this wide and stretched to the room that there is; texts are not."""


@dataclass(frozen=True)
class BandPoint:
    """One window: when, what came, and what was expected, where that is known."""

    label: str
    observed: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None


def band(points: Sequence[BandPoint], *, marked: int | None = None) -> Markup:
    """Points from left to right; the one at the place `marked` is what it is about."""
    if not points:
        return Markup("")
    scale = _scale(points)
    inside = _GROUND_PX - _TOP_PX
    shapes = element(
        "svg",
        *_areas(points, scale),
        element("path", class_="expected", d=_line(_expected(points, scale))),
        element("path", class_="observed", d=_line([_spots(points, scale)])),
        x=0,
        y=_TOP_PX,
        width="100%",
        height=inside,
        viewBox=f"0 0 {_WIDE} {inside}",
        preserveAspectRatio="none",
    )
    return element(
        "svg",
        element(
            "line", class_="rule", x1=0, x2="100%", y1=_HIGH_PX - _FOOT_PX, y2=_HIGH_PX - _FOOT_PX
        ),
        shapes,
        *_mark(points, scale, marked),
        *_words(points, scale),
        class_="drawing band",
        width="100%",
        height=_HIGH_PX,
        role="img",
        aria_label=_said(points, marked),
    )


@dataclass(frozen=True)
class _Scale:
    """Where values stand: `least` at the bottom, `most` at the top."""

    least: float
    most: float
    count: int

    def x(self, place: int) -> float:
        return _WIDE * (place / (self.count - 1) if self.count > 1 else 0.5)

    def y(self, value: float) -> float:
        inside = _GROUND_PX - _TOP_PX
        return inside * (1 - (value - self.least) / (self.most - self.least))


def _scale(points: Sequence[BandPoint]) -> _Scale:
    values = [
        value
        for point in points
        for value in (point.observed, point.expected, point.low, point.high)
        if value is not None
    ]
    least, most = min(0.0, *values), max(values)
    return _Scale(least, most if most > least else least + 1, len(points))


def _spots(points: Sequence[BandPoint], scale: _Scale) -> list[tuple[float, float]]:
    return [(scale.x(at), scale.y(point.observed)) for at, point in enumerate(points)]


def _expected(points: Sequence[BandPoint], scale: _Scale) -> list[list[tuple[float, float]]]:
    """The runs of points whose expectation is known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, point in enumerate(points):
        if point.expected is None:
            runs.append([])
        else:
            runs[-1].append((scale.x(at), scale.y(point.expected)))
    return [run for run in runs if run]


def _areas(points: Sequence[BandPoint], scale: _Scale) -> list[Markup]:
    areas = []
    run: list[int] = []
    for at in range(len(points) + 1):
        is_inside = at < len(points) and points[at].low is not None
        if is_inside:
            run.append(at)
        elif run:
            areas.append(element("path", class_="usual", d=_around(points, run, scale)))
            run = []
    return areas


def _around(points: Sequence[BandPoint], run: Sequence[int], scale: _Scale) -> str:
    def edge(at: int, value: float | None) -> str:
        return f"{number(scale.x(at))} {number(scale.y(value or 0.0))}"

    above = [edge(at, points[at].high) for at in run]
    below = [edge(at, points[at].low) for at in reversed(run)]
    return f"M{'L'.join([*above, *below])}Z"


def _line(runs: Sequence[Sequence[tuple[float, float]]]) -> str:
    return "".join("M" + "L".join(f"{number(x)} {number(y)}" for x, y in run) for run in runs)


def _mark(points: Sequence[BandPoint], scale: _Scale, marked: int | None) -> list[Markup]:
    if marked is None:
        return []
    point = points[marked]
    centre = percentage(scale.x(marked) / _WIDE)
    says = element("title", f"{point.label}: {compact(point.observed)}")
    return [
        element("circle", says, class_="mark", cx=centre, cy=_TOP_PX + scale.y(point.observed), r=5)
    ]


def _words(points: Sequence[BandPoint], scale: _Scale) -> list[Markup]:
    foot = _HIGH_PX - 7
    return [
        element("text", compact(scale.most), class_="note", x=0, y=_TOP_PX - 8),
        element("text", points[0].label, class_="note", x=0, y=foot),
        element("text", points[-1].label, class_="note", x="100%", y=foot, text_anchor="end"),
    ]


def _said(points: Sequence[BandPoint], marked: int | None) -> str:
    if marked is None:
        return f"{len(points)} points in time; the table below has the same numbers"
    point = points[marked]
    usual = "" if point.expected is None else f" where {compact(point.expected)} is usual"
    return f"{compact(point.observed)}{usual}, after {marked} windows before it"
