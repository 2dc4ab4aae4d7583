"""The collector's routes for the OpenAPI document, which can't see handlers that speak ASGI."""

from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
)

from rtcdp.events import event as rules
from rtcdp.intake.problem import REFUSALS

_ISO_EXAMPLE = "2026-01-31T09:30:00.000Z"
_TEXT = OpenAPIType.STRING
_WHOLE = OpenAPIType.INTEGER
_ARRAY = OpenAPIType.ARRAY


def collector_paths() -> dict[str, PathItem]:
    """The path items of `POST /v1/events` and `POST /v1/import`."""
    return {
        "/v1/events": _path(
            "TakeEvents",
            "Send events",
            "A 200 means that all events of the request are on disk, the rejected ones as dead "
            "letters. Any other answer but 503 means that none is.",
        ),
        "/v1/import": _path(
            "TakeHistory",
            "Send recorded history",
            "Like `/v1/events`, for events of the past: they are never late.",
        ),
    }


async def document_collector(app: Litestar) -> None:
    """Add the collector's routes to the application's OpenAPI document; an `on_startup` hook."""
    schema = app.openapi_schema
    schema.paths = {**(schema.paths or {}), **collector_paths()}


def _path(operation_id: str, summary: str, description: str) -> PathItem:
    return PathItem(
        post=Operation(
            operation_id=operation_id,
            tags=["Collector"],
            summary=summary,
            description=description,
            parameters=[
                Parameter(
                    name="source",
                    param_in="query",
                    required=False,
                    description="Who sends: event ids are told apart by source.",
                    schema=Schema(
                        type=_TEXT, pattern="^[a-z0-9][a-z0-9_-]{0,63}$", default="default"
                    ),
                ),
                Parameter(
                    name="Content-Encoding",
                    param_in="header",
                    required=False,
                    schema=Schema(type=_TEXT, enum=["identity", "gzip", "x-gzip", "zstd"]),
                ),
            ],
            request_body=RequestBody(
                required=True,
                description="One event, a JSON array of events, or NDJSON: one event a line.",
                content={
                    "application/json": OpenAPIMediaType(
                        schema=Schema(one_of=[_event(), Schema(type=_ARRAY, items=_event())])
                    ),
                    "application/x-ndjson": OpenAPIMediaType(schema=Schema(type=_TEXT)),
                },
            ),
            responses=_responses(),
        )
    )


def _responses() -> dict[str, OpenAPIResponse | Reference]:
    by_status: dict[int, list[str]] = {}
    for status, what in REFUSALS.values():
        by_status.setdefault(status, []).append(what)
    return {
        "200": OpenAPIResponse(
            description="Every event of the request is durable.",
            content={"application/json": OpenAPIMediaType(schema=_answer())},
        ),
        **{
            str(status): OpenAPIResponse(
                description="; ".join(whats),
                headers=_headers(status),
                content={"application/problem+json": OpenAPIMediaType(schema=_problem())},
            )
            for status, whats in sorted(by_status.items())
        },
    }


def _headers(status: int) -> dict[str, OpenAPIHeader | Reference] | None:
    if status not in (429, 503):
        return None
    wait = OpenAPIHeader(schema=Schema(type=_WHOLE), description="Seconds to wait.")
    return {"Retry-After": wait}


def _event() -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        title="CustomerActivityEvent",
        required=["userId", "timestamp", "eventType"],
        properties={
            "eventId": Schema(type=_TEXT, min_length=1, max_length=100),
            "userId": Schema(type=_TEXT, min_length=1, max_length=256),
            "sessionId": Schema(type=_TEXT, max_length=256),
            "timestamp": Schema(
                description="ISO-8601 with an offset, or milliseconds since 1970",
                one_of=[Schema(type=_TEXT, examples=[_ISO_EXAMPLE]), Schema(type=_WHOLE)],
            ),
            "eventType": Schema(
                type=_TEXT, pattern=f"^{rules.EVENT_TYPE.pattern}$", examples=["PAGE_VIEW"]
            ),
            "productId": Schema(type=_TEXT, max_length=256),
            "pageUrl": Schema(type=_TEXT, max_length=2048),
            "value": Schema(
                type=OpenAPIType.NUMBER,
                minimum=-rules.MAX_ABSOLUTE_VALUE,
                maximum=rules.MAX_ABSOLUTE_VALUE,
            ),
            "properties": Schema(
                type=OpenAPIType.OBJECT,
                description=f"at most {rules.MAX_PROPERTIES_BYTES} bytes, kept as it came",
            ),
        },
    )


def _answer() -> Schema:
    rejected = Schema(
        type=OpenAPIType.OBJECT,
        title="RejectedEvent",
        required=["index", "eventId", "code", "message"],
        properties={
            "index": Schema(type=_WHOLE, description="its place in the request, from 0"),
            "eventId": Schema(one_of=[Schema(type=_TEXT), Schema(type=OpenAPIType.NULL)]),
            "code": Schema(type=_TEXT, description="the reason of its dead letter"),
            "message": Schema(type=_TEXT, description="what to send instead"),
        },
    )
    return Schema(
        type=OpenAPIType.OBJECT,
        title="IntakeAnswer",
        description="accepted + duplicates + rejected_count are the events of the request",
        required=["accepted", "duplicates", "rejected", "rejected_count"],
        properties={
            "accepted": Schema(type=_WHOLE),
            "duplicates": Schema(
                type=_WHOLE, description="ids this collector remembers; recorded as well"
            ),
            "rejected": Schema(type=_ARRAY, items=rejected, description="the first of them"),
            "rejected_count": Schema(type=_WHOLE, description="how many were rejected"),
        },
    )


def _problem() -> Schema:
    texts = ("type", "title", "detail", "hint", "code")
    return Schema(
        type=OpenAPIType.OBJECT,
        title="ProblemDocument",
        required=["type", "title", "status", "detail", "hint", "code"],
        properties={"status": Schema(type=_WHOLE), **{name: Schema(type=_TEXT) for name in texts}},
    )
