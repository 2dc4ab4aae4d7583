"""How a page is answered: its question read, what it shows put into its template, and what goes
wrong said on a page as well."""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from rtcdp import __version__
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.one_state import one_state
from rtcdp.api.address import AnyRequest, path_of
from rtcdp.api.context import ApiContext
from rtcdp.api.manners import KEPT, tag_of
from rtcdp.api.problem import RETRY_AFTER_S, status_of
from rtcdp.clock import MINUTE_MS
from rtcdp.dashboard import pages
from rtcdp.dashboard.address import PageAddress, Pairs, read_address
from rtcdp.dashboard.environment import render
from rtcdp.dashboard.kept_parts import CHOSEN_S, KEPT_S, KeptParts
from rtcdp.dashboard.navigation import navigation
from rtcdp.dashboard.page import DashboardPage, PageAsked
from rtcdp.dashboard.period import OFFERED, REFRESHED_MS
from rtcdp.dashboard.shared_pages import SHARED
from rtcdp.dashboard.zone import COMMON, PageZone, zone_kept, zone_named
from rtcdp.errors import BadRequest, RtcdpError, did_you_mean

_VARY = {"Vary": "Cookie"}
_TIMES = ("from", "to")
_OLDER_S = {SHARED: 0.0, f"max-age={CHOSEN_S:.0f}": CHOSEN_S - KEPT_S}
"""By how much older than they are kept parts of an answer may be, by what is asked."""

HTML = "text/html"


def known_pages() -> Sequence[DashboardPage]:
    """The page of each module of `rtcdp.dashboard.pages`."""
    names = sorted(each.name for each in pkgutil.iter_modules(pages.__path__))
    return [importlib.import_module(f"{pages.__name__}.{name}").PAGE for name in names]


@dataclass(frozen=True)
class TimeForm:
    """The form for the time: what stands in its two fields, and what it sends besides."""

    begin: str
    end: str
    kept: Pairs


def _time_form(zone: PageZone, address: PageAddress, asked: PageAsked[Any] | None) -> TimeForm:
    """Filled with the time that is shown, or, where there is none, with what was sent. Without an
    end where the time goes on: up to now."""
    kept = (*address.hidden("from", "to", "last", "tz"), ("tz", zone.name))
    if asked is None:
        begin, end = (_sent(name, zone, address) for name in _TIMES)
        return TimeForm(begin, end, kept)
    period = asked.period
    end = "" if asked.question.start_to is None else zone.field(period.end)
    # What moves with the clock is offered to the minute.
    since = period.start // MINUTE_MS * MINUTE_MS if period.moves else period.start
    return TimeForm(zone.field(since), end, kept)


def _sent(name: str, zone: PageZone, address: PageAddress) -> str:
    """A time that was sent, as a field shows it; as it came where it is none."""
    text = dict(address.pairs).get(name, "")
    try:
        return zone.field(zone.read(name, text)) if text else ""
    except BadRequest:
        return text


def _in_instants(address: PageAddress, zone: PageZone) -> PageAddress:
    """The same, whatever zone times are written in next. Raises `BadRequest`."""
    instants = [
        (name, iso_ms(zone.read(name, text, is_end=name == "to")) if name in _TIMES else text)
        for name, text in address.pairs
        if text or name not in _TIMES
    ]
    return PageAddress(address.path, tuple(instants))


class Shell:
    """What all pages have around them."""

    def __init__(
        self, context: ApiContext, environment: Environment, known: Sequence[DashboardPage]
    ) -> None:
        self._context = context
        self._environment = environment
        self._parts = KeptParts(context.installation.clock)
        self._known = known
        self._places = {page.paths[0] for page in known}

    def handler(self, page: DashboardPage, path: str) -> HTTPRouteHandler:
        """What answers at one of the page's addresses: Litestar takes a function that waits for one
        that doesn't where it stands at several."""

        def shown(request: AnyRequest) -> Response[bytes]:
            return self.answer(page, request)

        return get(path, include_in_schema=False, sync_to_thread=True)(shown)

    def answer(self, page: DashboardPage, request: AnyRequest) -> Response[bytes]:
        """The page, or a page that says what is wrong with what was asked."""
        zone = zone_kept(request.headers.get("cookie", ""))
        address = PageAddress("/")
        try:
            # Read first: what is not UTF-8 is refused here.
            question = page.asked.read_among(request)
            address = read_address(path_of(request), request.scope["query_string"])
            zone = zone_named(question.tz) if question.tz else zone
            address = _in_instants(address, zone)
            asked = PageAsked(
                context=self._context,
                request=request,
                question=question,
                zone=zone,
                address=address,
                now_ms=self._context.installation.clock.now_ms(),
                default_period_ms=page.default_period_ms,
                parts=self._parts,
                older_s=_OLDER_S.get(request.headers.get("cache-control", "")),
            )
            body = self._body(page, asked)
        except RtcdpError as error:
            if status_of(error) is None:
                raise
            return self._wrong(page, zone, address, error)
        return Response(body, media_type=HTML, headers={**KEPT, "ETag": tag_of(body), **_VARY})

    def _body(self, page: DashboardPage, asked: PageAsked[Any]) -> bytes:
        with one_state(self._context.installation) as still:
            # All that a page says is of one state of the store.
            asked = replace(asked, still=still)
            around = self._around(page, asked.zone, asked.address, asked)
            values = {**around, "page": page.shown(asked), "asked": asked}
        return render(self._environment, page.template, values)

    def nothing_at(self, path: str, cookie: str) -> Response[bytes]:
        """The page for an address that none is at; it leads to the one that was probably meant."""
        zone, root = zone_kept(cookie), PageAddress("/")
        front = next(page for page in self._known if page.paths[0] == root.path)
        places = [place for page in self._known for place in page.paths if "{" not in place]
        values = {
            **self._around(front, zone, root, None),
            "title": "Nothing is here",
            "nav": navigation(self._places, "", root),
            "detail": "there is nothing at this address",
            "hint": f"{did_you_mean('/' + path.split('/')[1], places)}"
            "the pages are named beside this one, and the addresses of the API at /docs",
            "status": int(HTTPStatus.NOT_FOUND),
        }
        body = render(self._environment, "problem.html", values)
        return Response(body, status_code=HTTPStatus.NOT_FOUND, media_type=HTML)

    def _wrong(
        self, page: DashboardPage, zone: PageZone, address: PageAddress, error: RtcdpError
    ) -> Response[bytes]:
        status = status_of(error)
        assert status is not None
        around = self._around(page, zone, address, None)
        if status == HTTPStatus.BAD_REQUEST:
            # What was wrong here would be wrong elsewhere too.
            around["nav"] = navigation(self._places, page.paths[0], PageAddress(address.path))
        values = {**around, "detail": str(error), "hint": error.hint, "status": int(status)}
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status >= 500 else {}
        body = render(self._environment, "problem.html", values)
        return Response(body, status_code=status, media_type=HTML, headers=headers)

    def _around(
        self,
        page: DashboardPage,
        zone: PageZone,
        address: PageAddress,
        asked: PageAsked[Any] | None,
    ) -> dict[str, Any]:
        now_ms = self._context.installation.clock.now_ms()
        period = asked.period if asked is not None and page.has_period else None
        zones = COMMON if zone.name in COMMON else (zone.name, *COMMON)
        return {
            "title": page.title,
            "nav": navigation(self._places, page.paths[0], address),
            "address": address,
            "zone": zone,
            "zones": [(name, PageZone(name).offset(now_ms)) for name in zones],
            "period": period,
            "time_form": _time_form(zone, address, asked) if page.has_period else None,
            "offered": OFFERED,
            "default_period_ms": page.default_period_ms,
            "stream": page.stream,
            "every_ms": REFRESHED_MS if period is None else period.refreshed_ms,
            "now_ms": now_ms,
            "version": __version__,
        }
