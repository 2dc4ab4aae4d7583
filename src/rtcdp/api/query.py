"""The query part of an address: which parameters a list takes, and reading them strictly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qsl

from litestar import Request
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Schema,
)

from rtcdp.api.cursor import Part, read_cursor
from rtcdp.api.instant import read_instant
from rtcdp.api.problem import BadRequest
from rtcdp.vocabulary.predicate import TextField

_MAX_PARAMETERS = 50
TEXT_FIELDS: tuple[TextField, ...] = get_args(TextField)


@dataclass(frozen=True)
class QueryParameter:
    """One parameter, as it is documented."""

    name: str
    description: str


FROM = QueryParameter("from", "from this time on; ISO-8601 with offset or ms since 1970")
TO = QueryParameter("to", "before this time; ISO-8601 with offset or ms since 1970")
LIMIT = QueryParameter("limit", "how many items at most")
CURSOR = QueryParameter("cursor", "the `next_cursor` of the page before")


_PROBLEM = OpenAPIResponse(
    description="What went wrong, and what to do.",
    content={
        "application/problem+json": OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                required=["type", "title", "status", "detail", "hint", "code"],
                properties={
                    "status": Schema(type=OpenAPIType.INTEGER),
                    **{
                        name: Schema(type=OpenAPIType.STRING)
                        for name in ("type", "title", "detail", "hint", "code")
                    },
                },
            )
        )
    },
)


@dataclass(frozen=True)
class Query:
    """Parameters as they were sent, each at most once and none that is unknown."""

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.values.get(name)

    def instant(self, name: str) -> int | None:
        text = self.values.get(name)
        return None if text is None else read_instant(name, text)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`. Raises `BadRequest`."""
        text = self.values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= most):
            raise BadRequest(
                f"{name}={text[:100]!r} is not possible", f"send a whole number from 1 to {most}"
            )
        return int(text)

    def cursor(self, shape: Sequence[type[Part]]) -> tuple[Part, ...] | None:
        text = self.values.get("cursor")
        return None if text is None else read_cursor(text, shape)

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        text = self.values.get(name)
        if text is not None and text not in allowed:
            raise BadRequest(f"{name}={text[:100]!r} is not known", f"send {_listed(allowed)}")
        return text

    def equals(self) -> dict[str, str]:
        """The parameters that are text fields of events."""
        return {name: self.values[name] for name in TEXT_FIELDS if name in self.values}


def read_query(request: Request[Any, Any, Any], allowed: Sequence[str]) -> Query:
    """The parameters of a request.

    Raises `BadRequest` for one that is unknown, sent twice, or not UTF-8.
    """
    raw: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError as error:
        raise BadRequest(
            "the query can't be read", f"send UTF-8, percent-encoded, {_MAX_PARAMETERS} at most"
        ) from error
    values: dict[str, str] = {}
    for name, text in pairs:
        if name not in allowed:
            raise BadRequest(
                f"there is no parameter {name[:100]!r} here",
                f"send {_listed(allowed)}" if allowed else "send no parameters",
            )
        if name in values:
            raise BadRequest(f"{name} is there twice", "send it once")
        values[name] = text
    return Query(values)


def documented(*parameters: QueryParameter) -> type[Operation]:
    """The operation of a handler that reads these parameters, for the OpenAPI description."""
    in_query = [
        Parameter(
            name=parameter.name,
            param_in="query",
            description=parameter.description,
            schema=Schema(type=OpenAPIType.STRING),
        )
        for parameter in parameters
    ]

    @dataclass
    class WithParameters(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *in_query]
            good = {status: r for status, r in (self.responses or {}).items() if status != "400"}
            self.responses = {**good, "default": _PROBLEM}

    return WithParameters


def names_of(parameters: Sequence[QueryParameter]) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in parameters)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
