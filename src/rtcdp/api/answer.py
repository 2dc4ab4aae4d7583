"""How an answer leaves: with its freshness in the headers, and never cached."""

from collections.abc import Mapping
from typing import Any, TypeVar

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from rtcdp.api.context import ApiContext
from rtcdp.api.freshness import Freshness

T = TypeVar("T")

Context = NamedDependency[SkipValidation[ApiContext]]
"""How a handler gets the context, as its parameter `context`."""


def answer(
    content: T, freshness: Freshness, headers: Mapping[str, str] | None = None
) -> Response[T]:
    return Response(content, headers={**freshness.headers, **(headers or {})})


def link_to_next(address: str, cursor: str | None) -> dict[str, Any]:
    """The header that names the next page, for answers that are bare arrays."""
    if cursor is None:
        return {}
    joined = "&" if "?" in address else "?"
    return {"Link": f'<{address}{joined}cursor={cursor}>; rel="next"'}
