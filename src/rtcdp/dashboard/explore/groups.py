"""What the rows of an answer are of, and what their times are called."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtcdp.answers.instant import read_instant
from rtcdp.answers.query import QueryPage
from rtcdp.dashboard.zone import PageZone
from rtcdp.words import count


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
    """What times are called that begin there. Where two have one name, they are told apart by their
    year, and those of the night that clocks are put back by how far they are from UTC."""
    ways = [_ways(interval, start, zone) for start in starts]
    times = Counter(name for names in ways for name in names)
    return [next((name for name in names if times[name] == 1), names[-1]) for names in ways]


def _ways(interval: str, start: int, zone: PageZone) -> Sequence[str]:
    """What a time may be called, the best name first."""
    day, year, clock = zone.day(start), zone.local(start).year, zone.minute(start)
    if interval == "month":
        return (f"{zone.local(start):%b %Y}",)
    if interval not in ("minute", "hour"):
        return day, f"{day} {year}"
    names = f"{day}, {clock}", f"{day} {year}, {clock}"
    return *names, *(f"{name} {zone.offset(start)}" for name in names)
