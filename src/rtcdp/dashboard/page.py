"""What a page is: where it stands, what may be asked of it, and what it shows in which template."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import duration_ms
from rtcdp.answers.question import NAMES
from rtcdp.api.address import AnyRequest
from rtcdp.api.context import ApiContext
from rtcdp.api.query import Asked
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.kept_parts import KeptParts
from rtcdp.dashboard.period import DEFAULT_MS, Period, period_of
from rtcdp.dashboard.zone import PageZone


class PageQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """What may be asked of every page: a time, and the zone to read and write times in."""

    start_from: Annotated[
        str | None,
        msgspec.Meta(description="from this time on, as clocks of `tz` show it, or as the API's"),
    ] = None
    start_to: Annotated[str | None, msgspec.Meta(description="before this time")] = None
    last: Annotated[
        int | None,
        msgspec.Meta(
            description="in place of `from`: so long before now, or before `to`",
            extra={"written": "duration"},
        ),
    ] = None
    tz: Annotated[str | None, msgspec.Meta(description="time zone that times are written in")] = (
        None
    )


Q = TypeVar("Q", bound=PageQuestion)
T = TypeVar("T")


@dataclass(frozen=True)
class PageAsked(Generic[Q]):
    """One request of a page. `now_ms` is the time that all of its answer is of, and `still` the
    installation in the one state that it is of; None: as it is. `parts` of answers are kept for
    others; who takes what another one got says by how much `older_s` that may be than it is kept,
    and None: anew."""

    context: ApiContext
    request: AnyRequest
    question: Q
    zone: PageZone
    address: PageAddress
    now_ms: int
    default_period_ms: int = DEFAULT_MS
    still: Installation | None = None
    parts: KeptParts | None = None
    older_s: float | None = None

    @property
    def installation(self) -> Installation:
        return self.still or self.context.installation

    @property
    def period(self) -> Period:
        """The time that is asked for. Raises `BadRequest`."""
        asked, zone = self.question, self.zone
        begin, end = asked.start_from, asked.start_to
        return period_of(
            None if begin is None else zone.read("from", begin),
            None if end is None else zone.read("to", end, is_end=True),
            asked.last,
            self.now_ms,
            self.default_period_ms,
        )

    def is_last(self, last: str) -> bool:
        """Whether the time that is asked for is this choice, like `1h`."""
        asked = self.question
        chosen = asked.last or (self.default_period_ms if asked.start_from is None else None)
        return asked.start_to is None and chosen == duration_ms("last", last)

    def part(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, or has just given to another one who asked for what has this name."""
        if self.parts is None:
            return read()
        return self.parts.get(name, read, anew=self.older_s is None, older_s=self.older_s or 0.0)

    def in_path(self, name: str) -> str | None:
        """What stands in the path for `{name:str}`; None where this path has no such part."""
        found: str | None = self.request.path_params.get(name)
        return found


@dataclass(frozen=True)
class DashboardPage:
    """A page at `paths`, the first of which stands in the navigation, if that names it.

    `shown` gives what the `template` finds as `page`; it raises what answers raise. `asked` is what
    may stand in the query. With `has_period` the visitor may choose the time, `default_period_ms`
    long if nobody says; `stream` is what the live stream is asked for besides ticks.
    """

    title: str
    paths: tuple[str, ...]
    template: str
    shown: Callable[[PageAsked[Any]], object]
    asked: Asked[Any] = Asked(PageQuestion)
    has_period: bool = True
    default_period_ms: int = DEFAULT_MS
    stream: str = ""
