"""The curves as one picture: a panel each, sizes by their logarithm, costs from zero."""

from collections.abc import Mapping, Sequence
from math import log10

from markupsafe import Markup

from bench.growth.curves import CURVES, Point
from rtcdp.dashboard.drawing.curve import top_of
from rtcdp.dashboard.drawing.svg import element
from rtcdp.words import compact

_PANEL_WIDE, _PANEL_HIGH, _GAP = 190, 130, 20
_LEFT, _TOP, _FOOT = 34, 44, 46
_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #57606a }
.name { font-size: 13px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke: #0a5bd3; stroke-width: 2 }
.dot { fill: #0a5bd3 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .name { fill: #f0f6fc } .grid { stroke: #3d444d }
  .line { stroke: #6cb0ff } .dot { fill: #6cb0ff }
}
"""


def picture(found: Mapping[str, Sequence[Point]]) -> Markup:
    """An SVG of all curves that were taken, with the same scale of costs for all of them."""
    most = max(point.cpu_s_a_million for points in found.values() for point in points)
    top = top_of([most])
    wide = _LEFT + len(found) * (_PANEL_WIDE + _GAP)
    high = _TOP + _PANEL_HIGH + _FOOT
    panels = [
        _panel(name, points, top, _LEFT + place * (_PANEL_WIDE + _GAP))
        for place, (name, points) in enumerate(found.items())
    ]
    scale = [
        element(
            "text", compact(top * part), x=_LEFT - 6, y=_y(top * part, top) + 4, text_anchor="end"
        )
        for part in (0, 0.5, 1)
    ]
    return element(
        "svg",
        element("title", "CPU-seconds a million events, while one thing grows"),
        element("style", _STYLE),
        *scale,
        *panels,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {wide} {high}",
        width=wide,
        height=high,
        role="img",
    )


def _panel(name: str, points: Sequence[Point], top: float, left: float) -> Markup:
    first, last = log10(points[0].size), log10(points[-1].size)

    def x(point: Point) -> float:
        return left + 10 + (_PANEL_WIDE - 20) * (log10(point.size) - first) / (last - first or 1)

    places = [(x(point), _y(point.cpu_s_a_million, top)) for point in points]
    line = "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    return element(
        "g",
        element("text", name, x=left, y=18, class_="name"),
        element("text", CURVES[name].of_what, x=left, y=34),
        *(
            element("path", d=f"M{left} {_y(top * part, top):.1f}h{_PANEL_WIDE}", class_="grid")
            for part in (0, 0.5, 1)
        ),
        element("path", d=line, class_="line"),
        *(element("circle", cx=across, cy=down, r=3, class_="dot") for across, down in places),
        *(
            element(
                "text",
                _short(point.size),
                x=across,
                y=_TOP + _PANEL_HIGH + 18,
                text_anchor="middle",
            )
            for point, (across, _) in zip(points, places, strict=True)
        ),
    )


def _short(size: int) -> str:
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def _y(cost: float, top: float) -> float:
    return _TOP + _PANEL_HIGH * (1 - cost / top)
