"""Writes the matrix of routes and keys into docs/access.md: `python -m
rtcdp.runtime.access_reference [PAGE]`.

`--check` compares it. The rest of the page is written by people; the matrix stands between two
comments.
"""

import re
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar
from litestar.routes import HTTPRoute

from rtcdp.access.gate import Gate
from rtcdp.access.needs import SCOPES, Need, Scope, declared_need, gives
from rtcdp.answers.freshness import Installation
from rtcdp.answers.metrics import METRICS_PATH
from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import ENDS, openapi_config
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.intake.published import published_routes
from rtcdp.intake.routes import NEEDS
from rtcdp.intake.snippet import snippet_routes
from rtcdp.runtime.http.server import routes_of
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.written_page import write_or_check

PAGE = Path("docs/access.md")

_BEGIN, _END = "<!-- routes: begin -->", "<!-- routes: end -->"
_BETWEEN = re.compile(f"(?<={_BEGIN}\n).*?(?={_END})", re.DOTALL)
_YES, _NO = "✓", "–"


@dataclass(frozen=True)
class Route:
    """One address with one method, and what it declares to need."""

    path: str
    method: str
    need: Need | None

    def is_open_to(self, scopes: Sequence[Scope], *, is_in_page: bool = False) -> bool:
        """Whether a key with these scopes is let in; one that is bound to origins stands in a
        page."""
        need = self.need or "admin"
        return gives(scopes, need) and (need in ("send", "embed") or not is_in_page)


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; returns the exit code: 0 done, 1 out of date, 2 wrong usage."""
    return write_or_check(arguments, PAGE, with_matrix, "rtcdp.runtime.access_reference")


def with_matrix(text: str) -> str:
    """The page with the matrix as it is now. Raises `ValueError` where it has no place for it."""
    if _BETWEEN.search(text) is None:
        raise ValueError(f"there are no lines {_BEGIN} and {_END}")
    return _BETWEEN.sub(lambda _: matrix(), text)


def matrix() -> str:
    """All routes, and which key each takes, as a table."""
    lines = [
        "| address | method | nothing | `write`, in a page | `write` | `read` | `admin` |",
        "|---|---|---|---|---|---|---|",
    ]
    for route in sorted(all_routes(), key=lambda route: (route.path, route.method)):
        cells = [
            route.is_open_to(()),
            route.is_open_to(("write",), is_in_page=True),
            *(route.is_open_to((scope,)) for scope in SCOPES),
        ]
        marks = " | ".join(_YES if cell else _NO for cell in cells)
        lines.append(f"| `{route.path}` | {route.method} | {marks} |")
    return "\n".join([*lines, ""])


def all_routes() -> Iterator[Route]:
    """Every route of a server that collects and answers. The addresses of single metrics are
    there once, as `/api/metrics/{name}`."""
    for path, need in NEEDS.items():
        yield Route(path, "POST", need)
    with tempfile.TemporaryDirectory() as folder:
        settings, clock = Settings(data_dir=Path(folder)), SystemClock()
        gate = Gate(settings.data_dir, settings.access, clock, secrets.token_bytes)
        catalog = load_catalog()
        with store_of(settings, read_only=True) as store:
            context = ApiContext(Installation(store, catalog, clock))
            routes = [*routes_of(context, gate), *snippet_routes(), *published_routes()]
        names = {f"{METRICS_PATH}{metric.name}" for metric in catalog}
        # It would log in a thread of its own, of the whole process, to the standard error of now.
        app = Litestar(routes, openapi_config=openapi_config, logging_config=None)
        yield from _routes_of(app, names)


def _routes_of(app: Litestar, without: set[str]) -> Iterator[Route]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path_format in without:
            continue
        path = re.sub(r":\w+(?=})", "", route.path_format) + ENDS.get(route.path_format, "")
        for method, (handler, _) in route.route_handler_map.items():
            # What methods an address takes is no secret, and browsers ask before they send a key.
            if method != "OPTIONS":
                yield Route(path, str(method), declared_need(handler.opt))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
