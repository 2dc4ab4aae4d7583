"""Curves through numbers, as the paths of an SVG whose box is 1000 wide and 100 high."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 100

Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """What to write into `d`: a line through the numbers, and the area under it. Where there is no
    number there is a gap."""

    line: str
    area: str


@dataclass(frozen=True)
class Block:
    """A piece of time as a rectangle, `height` high from the ground."""

    x: str
    width: str
    y: str
    height: str


def top_of(*numbers: Numbers) -> float:
    """The least of 1, 2, 2.5, 5, 10 × 10ⁿ that none of the numbers is above."""
    most = max((n for each in numbers for n in each if n is not None), default=0)
    if most <= 0:
        return 1
    unit = 1.0
    while unit < most:
        unit *= 10
    while unit / 10 >= most:
        unit /= 10
    return next(top for part in (0.1, 0.2, 0.25, 0.5, 1) if (top := part * unit) >= most)


def curve(numbers: Numbers, top: float, slots: int) -> Curve:
    """A curve through the middles of the first of `slots` slots, `top` at the upper edge."""
    lines, areas = [], []
    for run in _runs(numbers):
        points = [f"{_x(place + 0.5, slots)} {_y(number, top)}" for place, number in run]
        first, last = _x(run[0][0] + 0.5, slots), _x(run[-1][0] + 0.5, slots)
        if len(points) == 1:
            first, last = _x(run[0][0] + 0.1, slots), _x(run[0][0] + 0.9, slots)
            height = _y(run[0][1], top)
            points = [f"{first} {height}", f"{last} {height}"]
        lines.append("M" + "L".join(points))
        areas.append(f"{lines[-1]}L{last} {HEIGHT}L{first} {HEIGHT}Z")
    return Curve("".join(lines), "".join(areas))


def block(place: int, number: float | None, top: float, slots: int) -> Block:
    """The slot at `place`, as high as the number."""
    y = float(_y(number or 0, top))
    return Block(_x(place, slots), _x(1, slots), f"{y:.1f}", f"{HEIGHT - y:.1f}")


def _runs(numbers: Numbers) -> list[list[tuple[int, float]]]:
    """Numbers with their places, in runs without a gap."""
    runs: list[list[tuple[int, float]]] = []
    is_open = False
    for place, number in enumerate(numbers):
        if number is not None:
            if not is_open:
                runs.append([])
            runs[-1].append((place, number))
        is_open = number is not None
    return runs


def _x(place: float, slots: int) -> str:
    return f"{WIDTH * place / max(1, slots):.1f}"


def _y(number: float, top: float) -> str:
    return f"{HEIGHT * (1 - min(1.0, max(0.0, number / top))):.1f}"
