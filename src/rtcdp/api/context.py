"""What the API is built from, assembled once and passed to every handler; and how an answer leaves:
with its freshness in the headers, and never cached."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, Protocol, Self, TypeVar, cast

import msgspec
from litestar import MediaType, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from prometheus_client import CollectorRegistry

from rtcdp.answers.freshness import Installation
from rtcdp.answers.mending import MendedIntake, Mender
from rtcdp.answers.product_history import ProductHistory
from rtcdp.answers.recommendations import Adviser, HoldOut
from rtcdp.answers.user_data import UserData
from rtcdp.api.limits import ApiLimits, HttpLimits
from rtcdp.api.probes import Probes
from rtcdp.api.pulse import Pulse
from rtcdp.errors import NotThere
from rtcdp.store import Store

T = TypeVar("T")
P = ParamSpec("P")

AS_OF_HEADER = "X-As-Of"
LAG_HEADER = "X-Lag-Ms"
WARNING_HEADER = "X-Freshness-Warning"
COMPLETE_FROM_HEADER = "X-Complete-From"

ANSWER_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What every answer has, unless it says otherwise."""

_WARNING_LETTERS_MAX = 500


class FilesUnderWay:
    """The long files that are being sent now, by one event loop. They are read by threads of their
    own, one for each of the `most` that there may be: those that all others share stay free. Their
    clients have to read them at the `pace` of long answers."""

    def __init__(self, most: int = ApiLimits.files, pace: HttpLimits | None = None) -> None:
        self.under_way = 0
        self.pace = pace or HttpLimits()
        self._threads = ThreadPoolExecutor(max(1, most), "files")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for what is being read."""
        self._threads.shutdown(cancel_futures=True)

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, done by one of the threads. Raises what it raises."""
        bound = partial(copy_context().run, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, bound)

    @contextmanager
    def one(self) -> Iterator[None]:
        """One more, for as long as it is sent."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


Check = Callable[[], str | None]
"""Says what is wrong with a part, or None when it is well."""


@dataclass(frozen=True)
class ApiContext:
    """`checks` are parts of this process that can fail, by name. `is_processing` tells whether a
    processor works on the store, where that can be known, and `commit_ms` is what one may take to
    commit even when nothing is wrong. `probes` keep the checks that are under way. `registry` holds
    telemetry of other parts, for `/metrics`. `history` is what recommendations are made of. `stop`
    is set when the server is about to stop, and ends the live streams. `writable` is the
    installation's store, opened for what people write there; `mended_intake` takes mended records
    into its log, where there is one. `pulse` is how the pipeline ran in the last minutes. `files`
    are the long ones that are being sent. `user_data` gives out, and erases, all that is known of a
    user."""

    installation: Installation
    limits: ApiLimits = ApiLimits()
    checks: Mapping[str, Check] = field(default_factory=dict)
    is_processing: Callable[[], bool] | None = None
    commit_ms: int = 0
    probes: Probes = field(default_factory=Probes)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    history: ProductHistory = field(default_factory=ProductHistory)
    stop: threading.Event = field(default_factory=threading.Event)
    writable: Store | None = None
    files: FilesUnderWay = field(default_factory=FilesUnderWay)
    mended_intake: MendedIntake | None = None
    pulse: Pulse = field(default_factory=Pulse)
    user_data: UserData | None = None

    @property
    def store(self) -> Store:
        """Where people's own words go; where nothing was opened for writing, it is refused."""
        return self.writable or self.installation.store

    @property
    def mender(self) -> Mender:
        """What feeds dead letters in again. Raises `NotThere` on a server without a log."""
        if self.mended_intake is None:
            raise NotThere(
                "this server has no log to feed records into", "ask the one that runs with --log"
            )
        return Mender(self.installation, self.store, self.mended_intake)

    @property
    def adviser(self) -> Adviser:
        """What recommends, within the limits."""
        limits = self.limits
        hold_out = HoldOut(limits.held_out_percent, limits.held_out_get_nothing)
        return Adviser(self.installation, self.history, hold_out)


Context = NamedDependency[SkipValidation[ApiContext]]
"""How a handler gets the context, as its parameter `context`."""


class Page(Protocol):
    """What says how fresh it is, as every page of an answer does."""

    as_of: str | None
    lag_ms: int | None
    warning: str | None


def answer(content: T, page: Page, headers: Mapping[str, str] | None = None) -> Response[T]:
    """A response with this content as JSON, and how fresh the page is.

    Written here, by the thread that worked it out: a long answer must not hold up the loop.
    """
    body = cast("T", msgspec.json.encode(content))
    return Response(
        body,
        media_type=MediaType.JSON,
        headers={**freshness_headers(page), **(headers or {})},
    )


def freshness_headers(page: Page) -> dict[str, str]:
    """The headers that say how fresh a page is, as far as that is known, and from when on it is
    whole, unless it is."""
    found = {
        AS_OF_HEADER: page.as_of,
        LAG_HEADER: None if page.lag_ms is None else str(page.lag_ms),
        COMPLETE_FROM_HEADER: getattr(page, "complete_from", None),
        WARNING_HEADER: _in_a_header(page.warning),
    }
    return {name: text for name, text in found.items() if text is not None}


def link_to_next(address: str, cursor: str | None) -> dict[str, Any]:
    """The header that names the next page, for answers that are bare arrays."""
    if cursor is None:
        return {}
    joined = "&" if "?" in address else "?"
    return {"Link": f'<{address}{joined}cursor={cursor}>; rel="next"'}


def _in_a_header(text: str | None) -> str | None:
    if text is None:
        return None
    plain = " ".join(text.encode("ascii", "replace").decode().split())
    return plain[:_WARNING_LETTERS_MAX]
