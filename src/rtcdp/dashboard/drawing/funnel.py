"""A funnel: of each step who reached it, and beside that who got lost on the way there."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, link, percentage, shortened, together
from rtcdp.words import count, duration, percent

_STEP_PX, _BAR_PX, _BAR_TOP_PX = 78, 30, 24
_LETTERS = 40
_LEAST = 0.004
"""What is not nothing can be seen, and clicked."""


@dataclass(frozen=True)
class FunnelBar:
    """One step: so many `reached` it, and `dropped` of them got no farther. The addresses list
    them; `median_ms` is the time from the step before, where that is known."""

    name: str
    reached: int
    dropped: int
    reached_href: str | None = None
    dropped_href: str | None = None
    median_ms: float | None = None


def funnel(bars: Sequence[FunnelBar]) -> Markup:
    """The steps one below the other, as wide as there is room; lengths are shares of the first."""
    if not bars:
        return Markup("")
    height = _STEP_PX * len(bars) - (_STEP_PX - _BAR_TOP_PX - _BAR_PX)
    steps = (_step(bars, place) for place in range(len(bars)))
    return element(
        "svg",
        *steps,
        class_="drawing funnel",
        width="100%",
        height=height,
        role="group",
        aria_label=f"Funnel of {len(bars)} steps",
    )


def _step(bars: Sequence[FunnelBar], place: int) -> Markup:
    bar, top = bars[place], _STEP_PX * place
    most = bars[0].reached
    share = _share(bar.reached, most)
    said = f"{bar.name}: {count(bar.reached)} reached it"
    parts = [
        element(
            "text", f"{place + 1}  {shortened(bar.name, _LETTERS)}", class_="label", x=0, y=top + 15
        ),
        element(
            "text",
            f"{count(bar.reached)} · {percent(bar.reached / most if most else None)}",
            class_="amount",
            x="100%",
            y=top + 15,
            text_anchor="end",
        ),
        element("rect", class_="track", x=0, width="100%", **_line(top)),
    ]
    if place:
        parts += _lost(bars, place, share)
    if share:
        shape = element(
            "rect",
            element("title", said),
            class_="reached",
            x=0,
            width=percentage(share),
            **_line(top),
        )
        parts.append(link(bar.reached_href, shape, label=f"{said}: who they are"))
    return together(*parts)


def _lost(bars: Sequence[FunnelBar], place: int, share: float) -> list[Markup]:
    """Who reached the step before and got no farther, and what is said of the rest."""
    before, bar = bars[place - 1], bars[place]
    parts = [
        element("text", _on_the_way(before, bar), class_="note", x=0, y=_STEP_PX * place - 9),
    ]
    until = _share(before.reached, bars[0].reached)
    if until > share and before.dropped:
        said = f"{count(before.dropped)} got no farther than {before.name}"
        shape = element(
            "rect",
            element("title", said),
            class_="lost",
            x=percentage(share),
            width=percentage(until - share),
            **_line(_STEP_PX * place),
        )
        parts.append(link(before.dropped_href, shape, label=f"{said}: who they are"))
    return parts


def _on_the_way(before: FunnelBar, bar: FunnelBar) -> str:
    if not before.reached:
        return "nobody came here"
    went = f"↓ {percent(bar.reached / before.reached)} went on"
    took = f", median {duration(bar.median_ms)}" if bar.median_ms is not None else ""
    return f"{went}{took} · {count(before.dropped)} did not"


def _share(part: int, whole: int) -> float:
    return max(_LEAST, part / whole) if part and whole else 0.0


def _line(top: float) -> dict[str, float]:
    return {"y": top + _BAR_TOP_PX, "height": _BAR_PX, "rx": 5}
