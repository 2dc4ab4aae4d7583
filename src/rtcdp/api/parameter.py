"""Query parameters as they are described: the same description is read by and documented for."""

from dataclasses import dataclass, replace
from typing import Any

from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat

from rtcdp.answers.instant import DURATION, EARLIEST, LATEST, SECONDS

MAX_VALUES = 20
"""How many values of one parameter are described; a few more may be sent."""

NOW = "now"

_WORD = OpenAPIType.STRING
_ANY_TEXT = Schema(type=_WORD, pattern="^[^\\u0000]*$")


@dataclass(frozen=True)
class QueryParameter:
    """One parameter, as it is documented. One that `is_many` may be sent several times, and means
    any of the values."""

    name: str
    description: str
    schema: Schema
    is_many: bool = False

    @property
    def documented(self) -> Parameter:
        schema = self.schema
        if self.is_many:
            schema = Schema(type=OpenAPIType.ARRAY, items=schema, min_items=1, max_items=MAX_VALUES)
        return Parameter(
            name=self.name, param_in="query", description=self.description, schema=schema
        )


def text(name: str, description: str) -> QueryParameter:
    """A filter by a text; several of them mean any."""
    return QueryParameter(name, f"{description}; several mean any of them", _ANY_TEXT, is_many=True)


def words(name: str, description: str, allowed: Any, *, is_many: bool = False) -> QueryParameter:
    """One of a closed list."""
    return QueryParameter(name, description, Schema(type=_WORD, enum=list(allowed)), is_many)


def number(name: str, description: str, default: int, most: int) -> QueryParameter:
    """A whole number from 1 on."""
    schema = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=most, default=default)
    return QueryParameter(name, description, schema)


def instant(name: str, description: str) -> QueryParameter:
    """A time, in each of the ways that it may be written."""
    return QueryParameter(name, f"{description}; {_TIMES}", _INSTANT)


def instant_or_now(name: str, description: str) -> QueryParameter:
    """A time, or the word for that of the request."""
    choices = [Schema(const=NOW), *(_INSTANT.one_of or ())]
    return QueryParameter(name, f"{description}; `{NOW}`, {_TIMES}", Schema(one_of=choices))


def limit(default: int, most: int) -> QueryParameter:
    """How long a page is."""
    return number("limit", "how many items at most", default, most)


_TIMES = "ISO-8601 with offset, a date alone (its beginning in UTC), or ms since 1970"
_INSTANT = Schema(
    one_of=[
        Schema(type=_WORD, format=OpenAPIFormat.DATE_TIME, examples=["2026-01-31T09:30:00.000Z"]),
        Schema(type=_WORD, format=OpenAPIFormat.DATE, examples=["2026-01-31"]),
        Schema(type=OpenAPIType.INTEGER, minimum=EARLIEST, maximum=-SECONDS.stop),
        Schema(type=OpenAPIType.INTEGER, minimum=1 - SECONDS.start, maximum=SECONDS.start - 1),
        Schema(type=OpenAPIType.INTEGER, minimum=SECONDS.stop, maximum=LATEST),
    ]
)

FROM = instant("from", "from this time on")
TO = instant("to", "before this time")
SINCE = QueryParameter(
    "since",
    "in place of `from`: this long ago, as a number with `s`, `m`, `h`, `d` or `w`",
    Schema(type=_WORD, pattern=f"^{DURATION.pattern}$", examples=["15m", "1h", "7d"]),
)
CURSOR = QueryParameter("cursor", "the `next_cursor` of the page before", Schema(type=_WORD))

_PROBLEM = OpenAPIResponse(
    description="What went wrong, and what to do.",
    content={
        "application/problem+json": OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                title="ProblemDocument",
                required=["type", "title", "status", "detail", "hint", "code"],
                properties={
                    "status": Schema(type=OpenAPIType.INTEGER),
                    **{
                        name: Schema(type=_WORD)
                        for name in ("type", "title", "detail", "hint", "code")
                    },
                },
            )
        )
    },
)


def _described_as_text(parameter: Parameter | Reference) -> Parameter | Reference:
    """A part of the path, which may be any text: a user id is no URI, though it may look like
    one."""
    if isinstance(parameter, Parameter) and parameter.param_in == "path":
        return replace(parameter, schema=Schema(type=_WORD, pattern="^[^\\u0000]+$"))
    return parameter


def documented(*parameters: QueryParameter, answer: Schema | None = None) -> type[Operation]:
    """The operation of a handler that reads these parameters, for the OpenAPI description.

    `answer` describes the body of a 200 where its type says less.
    """
    in_query = [parameter.documented for parameter in parameters]

    @dataclass
    class WithParameters(Operation):
        def __post_init__(self) -> None:
            in_path = [_described_as_text(parameter) for parameter in self.parameters or ()]
            self.parameters = [*in_path, *in_query]
            good = {status: r for status, r in (self.responses or {}).items() if status != "400"}
            if answer is not None:
                content = {"application/json": OpenAPIMediaType(schema=answer)}
                good["200"] = OpenAPIResponse(description="Newest first.", content=content)
            self.responses = {**good, "default": _PROBLEM}

    return WithParameters
