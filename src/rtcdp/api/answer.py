"""How an answer leaves: with its freshness in the headers, and never cached."""

from collections.abc import Mapping
from typing import Any, TypeVar

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from rtcdp.api.context import ApiContext
from rtcdp.api.freshness import Freshness
from rtcdp.api.instant import iso_ms_or_none

T = TypeVar("T")

COMPLETE_FROM_HEADER = "X-Complete-From"

Context = NamedDependency[SkipValidation[ApiContext]]
"""How a handler gets the context, as its parameter `context`."""


def answer(
    content: T, freshness: Freshness, headers: Mapping[str, str] | None = None
) -> Response[T]:
    return Response(content, headers={**freshness.headers, **(headers or {})})


def complete_from_header(complete_from: int | None) -> dict[str, str]:
    """The header that says from which window on (UTC ms) a metric's numbers are whole."""
    text = iso_ms_or_none(complete_from)
    return {} if text is None else {COMPLETE_FROM_HEADER: text}


def link_to_next(address: str, cursor: str | None) -> dict[str, Any]:
    """The header that names the next page, for answers that are bare arrays."""
    if cursor is None:
        return {}
    joined = "&" if "?" in address else "?"
    return {"Link": f'<{address}{joined}cursor={cursor}>; rel="next"'}
