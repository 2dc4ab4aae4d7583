"""What the rows of an answer are of, and what their times are called."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtcdp.answers.instant import read_instant
from rtcdp.answers.query import QueryPage
from rtcdp.dashboard.words import count
from rtcdp.dashboard.zone import PageZone


@dataclass(frozen=True)
class Group:
    """What a row is of, and whether that is all others together."""

    name: str
    is_other: bool = False


@dataclass(frozen=True)
class Grouped:
    """An answer, with the group of each of its items (None where nothing is told apart), and when
    its time begins (UTC ms)."""

    answer: QueryPage
    of_items: Sequence[Group | None]
    starts: Sequence[int]

    @property
    def groups(self) -> Sequence[Group | None]:
        """All groups, the first one first."""
        return list(dict.fromkeys(self.of_items))


def grouped(answer: QueryPage) -> Grouped:
    """The answer with its groups, each item looked at once."""
    starts = [read_instant("from", item["window_start"]) for item in answer.items]
    return Grouped(answer, [_group(answer, item) for item in answer.items], starts)


def _group(answer: QueryPage, item: Mapping[str, Any]) -> Group | None:
    if not answer.group_by:
        return None
    if item.get("other"):
        return Group(f"{count(answer.other_count)} others", is_other=True)
    return Group(" · ".join(str(item[name]) for name in answer.group_by))


def labels(interval: str, starts: Sequence[int], zone: PageZone) -> list[str]:
    """What times are called that begin there. Where two have one name, those of the night that
    clocks are put back are told apart by how far they are from UTC, and days by their year."""
    is_clock = interval in ("minute", "hour")
    names = [
        f"{zone.day(start)}, {zone.minute(start)}"
        if is_clock
        else f"{zone.local(start):%b %Y}"
        if interval == "month"
        else zone.day(start)
        for start in starts
    ]
    times = Counter(names)
    return [
        name
        if times[name] == 1
        else f"{name} {zone.offset(start) if is_clock else zone.local(start).year}"
        for name, start in zip(names, starts, strict=True)
    ]
