"""A grid of shares, the darker the more: a row for each cohort, a column for each period after."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, link, shortened, together
from rtcdp.words import count

SHADES = 10
"""So many classes, `shade-0` to `shade-9`, tell shares apart."""

_LABEL_PX, _SIZE_PX, _CELL_PX, _ROW_PX, _GAP_PX = 118, 58, 48, 28, 2
_LETTERS = 16
_MIDDLE = {"text_anchor": "middle"}


@dataclass(frozen=True)
class GridCell:
    """A `share` from 0 to 1, None where it is not known yet, what is said of it, and the address
    of those who are in it."""

    share: float | None
    says: str
    href: str | None = None


@dataclass(frozen=True)
class GridRow:
    """What a row is of, how many that are, and its cells."""

    label: str
    size: int
    cells: Sequence[GridCell]
    is_total: bool = False
    href: str | None = None


def grid(heads: Sequence[str], rows: Sequence[GridRow]) -> Markup:
    """Rows below their heads. As wide as it has to be: where that is too wide, cells are scrolled,
    and what rows are of stays where it is."""
    if not rows:
        return Markup("")
    most = max((cell.share or 0 for row in rows for cell in row.cells[1:]), default=0)
    height, says = _ROW_PX * (len(rows) + 1), f"{count(len(rows))} rows of shares"
    names = element(
        "svg",
        *(_name(row, _base_line(at)) for at, row in enumerate(rows)),
        class_="names",
        width=_LABEL_PX + _SIZE_PX,
        height=height,
        role="group" if any(row.href is not None for row in rows) else "img",
        aria_label=f"What {says} are of, and how many started",
    )
    cells = element(
        "svg",
        *(
            element("text", head, class_="note", x=_left(at) + _CELL_PX / 2, y=16, **_MIDDLE)
            for at, head in enumerate(heads)
        ),
        *(
            _cell(cell, column, place, most)
            for place, row in enumerate(rows)
            for column, cell in enumerate(row.cells)
        ),
        width=_CELL_PX * len(heads),
        height=height,
        role="group" if any(_leads_on(row) for row in rows) else "img",
        aria_label=f"{says}; the table below has the same numbers",
    )
    return element("div", names, cells, class_="drawing grid")


def _leads_on(row: GridRow) -> bool:
    return any(cell.href is not None for cell in row.cells)


def _name(row: GridRow, base_line: float) -> Markup:
    return together(
        element(
            "text",
            shortened(row.label, _LETTERS),
            class_="label total" if row.is_total else "label",
            x=0,
            y=base_line,
        ),
        link(
            row.href,
            element(
                "text",
                count(row.size),
                class_="note",
                x=_LABEL_PX + _SIZE_PX - 12,
                y=base_line,
                text_anchor="end",
            ),
            label=f"{row.label}: the {count(row.size)} who started" if row.href else None,
        ),
    )


def _cell(cell: GridCell, column: int, place: int, most: float) -> Markup:
    left, wide, high = _left(column), _CELL_PX - _GAP_PX, _ROW_PX - _GAP_PX
    box = {"x": left, "y": _ROW_PX * (place + 1), "width": wide, "height": high, "rx": 4.0}
    if cell.share is None:
        return element("rect", element("title", cell.says), class_="unknown", **box)
    tone = shade(cell.share, most)
    return link(
        cell.href,
        element("rect", element("title", cell.says), class_=f"shade-{tone}", **box),
        element(
            "text",
            _written(cell.share),
            class_=f"on-{tone}",
            x=left + wide / 2,
            y=_base_line(place) - 1,
            **_MIDDLE,
        ),
        label=cell.says if cell.href else None,
    )


def _base_line(place: int) -> int:
    """Where the texts of a row stand."""
    return _ROW_PX * (place + 1) + 18


def shade(share: float, most: float) -> int:
    """Which of the shades a share has, where `most` is the largest but the first of each row: that
    everybody is there at the start says nothing."""
    if share <= 0 or most <= 0:
        return 0 if share <= 0 else SHADES - 1
    return min(SHADES - 1, 1 + int(share / most * (SHADES - 1.001)))


def _written(share: float) -> str:
    """Short, for there is little room: a place more where the share is small."""
    return f"{100 * share:.1f}%" if 0 < share < 0.0995 else f"{100 * share:.0f}%"


def _left(place: int) -> int:
    return _CELL_PX * place
