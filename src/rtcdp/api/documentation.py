"""The OpenAPI description. The page that shows it is the dashboard's; nothing comes from a CDN."""

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from litestar import MediaType, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
    Tag,
)
from litestar.openapi.spec.enums import OpenAPIFormat

import rtcdp
from rtcdp.access.needs import READ
from rtcdp.answers.export import MEDIA_TYPES
from rtcdp.answers.instant import DURATION, EARLIEST, LATEST
from rtcdp.api.examples import with_examples
from rtcdp.api.manners import KEPT, tag_of
from rtcdp.api.query import Asked, QueryParameter
from rtcdp.definitions import Count, Distinct, Measure, Metric, TopK, field_name
from rtcdp.events.mistaken_units import SECONDS

MAX_VALUES = 20
"""How many values of one parameter are described; a few more may be sent."""

Group = Literal["Ask", "Look", "Operate"]
"""Under which heading an address is described. That of what is sent is the collector's own."""

METRICS = "Metrics"
TAGS = (
    Tag("Ask", "How many, how much, how far, and what next? Numbers, put together as needed."),
    Tag("Look", "The events, sessions and users behind a number, and what happens right now."),
    Tag("Operate", "What became of every record, what was not counted and why, and is all well?"),
    Tag(METRICS, "The windows of each metric of the catalog, with the fields of its own key."),
)
"""The headings, in their order. Operations of `METRICS` stand together under the one before it."""

ENDS = {
    "/api/analytics/user/{userId}": "/page-views",
    "/api/sessions/{sessionId}": "/events",
    "/api/joins/{name}/{rowId}": "/events",
}
"""How addresses go on after an id, which may hold slashes."""

_TEXT = Schema(type=OpenAPIType.STRING)
_ANY_TEXT = Schema(type=OpenAPIType.STRING, pattern="^[^\\u0000]*$")
_WHOLE = Schema(type=OpenAPIType.INTEGER)
_INSTANT = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME)
_TIMES = "ISO-8601 with offset, a date alone (its beginning in UTC), or ms since 1970"
_SENT_INSTANT = (
    Schema(
        type=OpenAPIType.STRING,
        format=OpenAPIFormat.DATE_TIME,
        examples=["2026-01-31T09:30:00.000Z"],
    ),
    Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE, examples=["2026-01-31"]),
    Schema(type=OpenAPIType.INTEGER, minimum=EARLIEST, maximum=-SECONDS.stop),
    Schema(type=OpenAPIType.INTEGER, minimum=1 - SECONDS.start, maximum=SECONDS.start - 1),
    Schema(type=OpenAPIType.INTEGER, minimum=SECONDS.stop, maximum=LATEST),
)
_SENT_DURATION = Schema(
    type=OpenAPIType.STRING, pattern=f"^{DURATION.pattern}$", examples=["15m", "1h", "7d"]
)


_PROBLEM = OpenAPIResponse(
    description="What went wrong, and what to do.",
    content={
        "application/problem+json": OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                title="ProblemDocument",
                required=["type", "title", "status", "detail", "hint", "code"],
                properties={
                    "status": _WHOLE,
                    **dict.fromkeys(("type", "title", "detail", "hint", "code"), _TEXT),
                },
            )
        )
    },
)


class SchemaAsJson(JsonRenderPlugin):
    """Writes the schema with an example of each answer, and with the whole addresses of what goes
    on after an id.

    Such a route takes everything that follows, because an id may hold slashes.
    """

    def receive_router(self, router: Router) -> None:
        """Declare what the routes of the description need; Litestar makes them."""
        router.opt = {**router.opt, **READ}

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        paths = {
            f"{path}{ENDS.get(path, '')}": item for path, item in openapi_schema["paths"].items()
        }
        return super().render(request, {**openapi_schema, "paths": with_examples(paths)})


_SCHEMA = SchemaAsJson(path="/openapi.json")


@get("/openapi.json", include_in_schema=False, opt=READ, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description, where programs look for it first."""
    content = _SCHEMA.render(request, request.app.openapi_schema.to_schema())
    headers = {**KEPT, "ETag": tag_of(content)}
    return Response(content, media_type=MediaType.JSON, headers=headers)


openapi_config = OpenAPIConfig(
    title="rtcdp",
    version=rtcdp.__version__,
    description="Customer activity events in, exact windowed answers out. Times are ISO-8601 UTC; "
    "lists are paged by `cursor`; errors are RFC 9457 problem documents. Every answer says how "
    "fresh it is: `X-As-Of` and `X-Lag-Ms`.",
    tags=list(TAGS),
    path="/schema",
    render_plugins=[_SCHEMA],
)
"""To be given to the application. The schema is at `/openapi.json` and `/schema/openapi.json`."""


def documented(
    asked: Asked[Any],
    answer: Schema | None = None,
    group: Group = "Ask",
    within: str | None = None,
) -> type[Operation]:
    """The operation of a handler that is asked this, for the OpenAPI description.

    `answer` describes the body of a 200 where its type says less. The operation stands under the
    heading `group`, and there together with others that are `within` the same.
    """
    in_query = [_described(parameter) for parameter in asked.parameters]

    @dataclass
    class WithParameters(Operation):
        def __post_init__(self) -> None:
            in_path = [_described_as_text(parameter) for parameter in self.parameters or ()]
            self.parameters = [*in_path, *in_query]
            good = {status: r for status, r in (self.responses or {}).items() if status != "400"}
            if answer is not None:
                content = {"application/json": OpenAPIMediaType(schema=answer)}
                good["200"] = OpenAPIResponse(description="Newest first.", content=content)
            if asked.is_exported:
                good["200"] = _in_all_forms(cast("OpenAPIResponse", good["200"]))
            self.responses = {**good, "default": _PROBLEM}
            self.tags = [group] if within is None else [group, within]

    return WithParameters


def _in_all_forms(answer: OpenAPIResponse) -> OpenAPIResponse:
    """The answer, which may also be a file of its rows."""
    file = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
    content = {
        **(answer.content or {}),
        **dict.fromkeys(MEDIA_TYPES.values(), OpenAPIMediaType(file)),
    }
    return replace(answer, content=content)


def _described(parameter: QueryParameter) -> Parameter:
    schema, description = _schema_of(parameter), parameter.description
    if parameter.is_many:
        schema = Schema(type=OpenAPIType.ARRAY, items=schema, min_items=1, max_items=MAX_VALUES)
    if parameter.kind == "filter":
        description += "; several mean any of them"
    if parameter.kind == "instant":
        words = "".join(f"`{word}`, " for word in parameter.words)
        description += f"; {words}{_TIMES}"
    return Parameter(name=parameter.name, param_in="query", description=description, schema=schema)


def _schema_of(parameter: QueryParameter) -> Schema:
    match parameter.kind:
        case "filter":
            return _ANY_TEXT
        case "words":
            return Schema(type=OpenAPIType.STRING, enum=list(parameter.words))
        case "number":
            return Schema(
                type=OpenAPIType.INTEGER,
                minimum=parameter.least,
                maximum=parameter.most,
                default=parameter.default,
            )
        case "instant":
            return Schema(
                one_of=[*(Schema(const=word) for word in parameter.words), *_SENT_INSTANT]
            )
        case "duration":
            return _SENT_DURATION
        case _:
            return _TEXT


def _described_as_text(parameter: Parameter | Reference) -> Parameter | Reference:
    """A part of the path, which may be any text: a user id is no URI, though it may look like
    one."""
    if isinstance(parameter, Parameter) and parameter.param_in == "path":
        text = Schema(type=OpenAPIType.STRING, pattern="^[^\\u0000]+$")
        return replace(parameter, schema=text)
    return parameter


def answer_schema(metric: Metric) -> Schema:
    """A page of the metric's windows."""
    row: dict[str, Reference | Schema] = {
        **dict.fromkeys(metric.key_names, _TEXT),
        "window_start": _INSTANT,
        "window_end": _INSTANT,
        **{measure.name: _of_measure(measure) for measure in metric.measures},
        "final": Schema(
            type=OpenAPIType.BOOLEAN, description="no event can change this window any more"
        ),
    }
    partial = Schema(
        type=OpenAPIType.BOOLEAN, description="there when events of this window are not in it"
    )
    items = Schema(
        type=OpenAPIType.OBJECT, required=list(row), properties={**row, "partial": partial}
    )
    return Schema(
        type=OpenAPIType.OBJECT,
        required=["items", "next_cursor", "as_of", "lag_ms"],
        properties={
            "items": Schema(type=OpenAPIType.ARRAY, items=items),
            "next_cursor": _or_null(_TEXT),
            "as_of": _or_null(_INSTANT),
            "lag_ms": _or_null(_WHOLE),
            "incomplete": Schema(
                type=OpenAPIType.BOOLEAN,
                description="there while no engine has computed the metric over all events",
            ),
            "complete_from": Schema(
                one_of=[_INSTANT, Schema(type=OpenAPIType.NULL)],
                description="there when windows before it are not whole, or were deleted",
            ),
            "warning": Schema(
                type=OpenAPIType.STRING, description="there while it is not known how fresh this is"
            ),
        },
    )


def _of_measure(measure: Measure) -> Schema:
    match measure:
        case Count() | Distinct():
            return _WHOLE
        case TopK():
            pair = Schema(
                type=OpenAPIType.OBJECT,
                required=[field_name(measure.field), "count"],
                properties={field_name(measure.field): _TEXT, "count": _WHOLE},
            )
            return Schema(type=OpenAPIType.ARRAY, items=pair, max_items=measure.k)
        case _:
            return _or_null(Schema(type=OpenAPIType.NUMBER))


def _or_null(schema: Schema) -> Schema:
    return Schema(one_of=[schema, Schema(type=OpenAPIType.NULL)])
