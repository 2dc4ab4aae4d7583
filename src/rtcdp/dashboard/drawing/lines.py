"""Several series over the same times, with an axis, and what is said of each time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, number, percentage
from rtcdp.words import compact

COLOURS = 8
"""So many lines have a colour of their own; after that they begin again."""

OTHER = "other"
"""The class of the line of all others."""

Height = Callable[[float], float]
"""Where a value stands, in pixels from the top of the shapes."""

_HIGH_PX, _TOP_PX, _FOOT_PX = 240, 12, 26
_WIDE = 1000
"""The shapes are drawn this wide and stretched to the room that there is; texts are not."""
_POINTED_AT_MAX = 800
_LABELS, _LONG_LABELS, _SHORT_LETTERS = 8, 6, 7


@dataclass(frozen=True)
class Line:
    """One series: its name, a value for each time (None where there is none), and its class."""

    name: str
    values: Sequence[float | None]
    kind: str


def kind_of(place: int, *, is_other: bool = False) -> str:
    """The class of the line that stands at this place of a legend."""
    return OTHER if is_other else f"line-{place % COLOURS}"


def lines(title: str, times: Sequence[str], series: Sequence[Line], open_from: int) -> Markup:
    """Series from left to right. From the place `open_from` on, times are not over, and their lines
    are dashed: what is still missing there is no fall."""
    if not times or not series:
        return Markup("")
    top, bottom = _range(series)
    inside = _HIGH_PX - _FOOT_PX - _TOP_PX

    def y(value: float) -> float:
        return inside * (1 - (value - bottom) / (top - bottom))

    shapes = [shape for line in series for shape in _shapes(line, len(times), y, open_from)]
    return element(
        "svg",
        *_rules(bottom, top, y),
        element(
            "svg",
            *shapes,
            x=0,
            y=_TOP_PX,
            width="100%",
            height=inside,
            viewBox=f"0 0 {_WIDE} {inside}",
            preserveAspectRatio="none",
        ),
        *_heights(bottom, top, y),
        *_times(times),
        *_pointed_at(times, series),
        class_="drawing lines",
        width="100%",
        height=_HIGH_PX,
        role="img",
        aria_label=f"{title}: {len(series)} over {len(times)} times, up to {compact(_most(series))}"
        "; the table below has the numbers",
    )


def _most(series: Sequence[Line]) -> float:
    return max((v for line in series for v in line.values if v is not None), default=0.0)


def _range(series: Sequence[Line]) -> tuple[float, float]:
    """The top, a round number, and the bottom, which is zero unless something lies below."""
    least = min((v for line in series for v in line.values if v is not None), default=0.0)
    every = (v for line in series for v in line.values if v is not None)
    is_whole = all(isinstance(value, int) for value in every)
    top = _round_up(max(_most(series), 0.0), is_whole=is_whole)
    bottom = -_round_up(max(-least, 0.0), is_whole=is_whole)
    return (top, bottom) if top > bottom else (2.0, 0.0)


def _round_up(value: float, *, is_whole: bool) -> float:
    if value <= 0:
        return 0.0
    unit = 10.0 ** floor(log10(value))
    # Half of it stands at the axis, too: of what is counted there is no half.
    tops = (each * unit for each in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20))
    return next(top for top in tops if top >= value and not (is_whole and top % 2))


def _shapes(line: Line, count: int, y: Height, open_from: int) -> list[Markup]:
    whole = _path(line.values, count, y, 0, open_from)
    rest = _path(line.values, count, y, max(0, open_from - 1), count)
    found = [element("path", class_=line.kind, d=whole)] if whole else []
    if rest and open_from < count:
        found.append(element("path", class_=f"{line.kind} open", d=rest))
    return found


def _path(values: Sequence[float | None], count: int, y: Height, first: int, end: int) -> str:
    """Stretches of values that are there; a single one is a short dash."""
    steps: list[str] = []
    is_new = True
    for place in range(first, min(end, count)):
        value = values[place]
        if value is None:
            is_new = True
            continue
        x = _x(place, count)
        spot = f"{number(x)} {number(y(value))}"
        alone = is_new and (place + 1 >= min(end, count) or values[place + 1] is None)
        steps.append(f"{'M' if is_new else 'L'}{spot}")
        if alone:
            steps.append(f"L{number(x + 4)} {number(y(value))}")
        is_new = False
    return "".join(steps)


def _x(place: int, count: int) -> float:
    return _WIDE * (place / (count - 1) if count > 1 else 0.5)


def _rules(bottom: float, top: float, y: Height) -> list[Markup]:
    heights = [_TOP_PX + y(value) for value in (bottom, (bottom + top) / 2, top)]
    return [element("line", class_="rule", x1=0, x2="100%", y1=each, y2=each) for each in heights]


def _heights(bottom: float, top: float, y: Height) -> list[Markup]:
    """What the rules stand for, above what is drawn."""
    return [
        element("text", compact(value), class_="note height", x=0, y=_TOP_PX + y(value) - 3)
        for value in (bottom, (bottom + top) / 2, top)
    ]


def _times(times: Sequence[str]) -> list[Markup]:
    """Some of the times below the axis, the first at the left and the last at the right."""
    is_long = max(map(len, times), default=0) > _SHORT_LETTERS
    count = min(_LONG_LABELS if is_long else _LABELS, len(times))
    places = sorted({round(each * (len(times) - 1) / max(1, count - 1)) for each in range(count)})
    found = []
    for place in places:
        share = _x(place, len(times)) / _WIDE
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        found.append(
            element(
                "text",
                times[place],
                # On a narrow page there is room for the ends alone.
                class_="note" if place in (places[0], places[-1]) else "note between",
                x=percentage(share),
                y=_HIGH_PX - 8,
                text_anchor=anchor,
            )
        )
    return found


def _pointed_at(times: Sequence[str], series: Sequence[Line]) -> list[Markup]:
    if len(times) > _POINTED_AT_MAX:
        return []
    width = 1 / len(times)
    found = []
    for place, time in enumerate(times):
        said = [
            f"{line.name}: {compact(value)}"
            for line in series
            if (value := line.values[place]) is not None
        ]
        found.append(
            element(
                "rect",
                element("title", "\n".join([time, *said])),
                class_="pointed",
                x=percentage(place * width),
                y=0,
                width=percentage(width),
                height=_HIGH_PX - _FOOT_PX,
            )
        )
    return found
