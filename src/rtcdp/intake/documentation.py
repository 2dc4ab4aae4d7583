"""The collector's routes for the OpenAPI document, which can't see handlers that speak ASGI."""

from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIFormat,
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
    Tag,
)

from rtcdp.events import event as rules
from rtcdp.intake.cloud_events import BATCH, STRUCTURED
from rtcdp.intake.problem import REFUSALS

_SENT = Tag("Send", "Events, history and product updates go in.")
_ISO_EXAMPLE = "2026-01-31T09:30:00.000Z"
_TEXT = OpenAPIType.STRING
_WHOLE = OpenAPIType.INTEGER
_ARRAY = OpenAPIType.ARRAY
_TEXT_OR_NULL = [OpenAPIType.STRING, OpenAPIType.NULL]

_OF_A_FILE = (
    Parameter(
        name="mapping",
        param_in="query",
        required=False,
        description="The body is a recorded file, of any size, whose lines this mapping reads: one "
        "that comes with rtcdp, or NAME for the file `mappings/NAME.toml` of the data folder.",
        schema=Schema(type=_TEXT, default="events"),
    ),
    Parameter(
        name="name",
        param_in="query",
        required=False,
        description="The body is a recorded file that is called so; Content-Disposition says it, "
        "too. Lines without an id get one that begins with it.",
        schema=Schema(type=_TEXT),
    ),
    Parameter(
        name="Content-Digest",
        param_in="header",
        required=False,
        description="What the bytes of a recorded file have to be: `sha-256=:BASE64:`.",
        schema=Schema(type=_TEXT),
    ),
    Parameter(
        name="Rtcdp-Piece",
        param_in="header",
        required=False,
        description="`after=KEY; key=KEY; bytes=N`: which piece of a recorded file the body is, by "
        "keys that name all text before it and up to its end. `after=KEY` alone, with an empty "
        "body, asks which ones that follow there were taken in.",
        schema=Schema(type=_TEXT),
    ),
)


_FILES = {
    name: OpenAPIMediaType(schema=Schema(type=_TEXT, format=OpenAPIFormat.BINARY))
    for name in ("text/csv", "application/gzip", "application/zstd", "application/octet-stream")
}
_MORE_OF_A_FILE = {
    "known": Schema(type=_WHOLE, description="of a recorded file: lines that were imported before"),
    "blank": Schema(type=_WHOLE, description="of a recorded file: lines that say nothing"),
}


def collector_paths() -> dict[str, PathItem]:
    """The path items of `POST /v1/events`, `POST /v1/import` and `POST /v1/product-updates`."""
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
            "Like `/v1/events`, for events of the past: they are never late. A body with a mapping "
            "or a name, or of more lines than one request may hold, is a recorded file: it is "
            "taken in piece by piece while it arrives, whatever its size, and what was imported "
            "before counts nothing twice. Where it ends early, the hint says what was taken in.",
            more=_OF_A_FILE,
            files=True,
        ),
        "/v1/product-updates": _path(
            "TakeProductUpdates",
            "Send product updates",
            "What products are called, cost and belong to, and from when on. A 200 means that all "
            "of them are on disk; one may be valid from any time, past or to come.",
            ("update", product_update_schema()),
        ),
    }


async def document_collector(app: Litestar) -> None:
    """Add the collector's routes, and their heading, to the application's OpenAPI document; an
    `on_startup` hook."""
    schema = app.openapi_schema
    schema.paths = {**(schema.paths or {}), **collector_paths()}
    schema.tags = [_SENT, *(schema.tags or [])]


def _path(
    operation_id: str,
    summary: str,
    description: str,
    taken: tuple[str, Schema] | None = None,
    more: tuple[Parameter, ...] = (),
    *,
    files: bool = False,
) -> PathItem:
    what, schema = taken or ("event", event_schema())
    return PathItem(
        post=Operation(
            operation_id=operation_id,
            tags=[_SENT.name],
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
                *more,
            ],
            request_body=RequestBody(
                required=True,
                description=f"One {what}, a JSON array of {what}s, or NDJSON: one {what} a line.",
                content={
                    "application/json": OpenAPIMediaType(
                        schema=Schema(one_of=[schema, Schema(type=_ARRAY, items=schema)])
                    ),
                    "application/x-ndjson": OpenAPIMediaType(schema=Schema(type=_TEXT)),
                    **({} if taken else _cloud_events()),
                    **(_FILES if files else {}),
                },
            ),
            responses=_responses(files=files),
        )
    )


def _cloud_events() -> dict[str, OpenAPIMediaType]:
    one = Schema(
        type=OpenAPIType.OBJECT,
        title="CloudEvent",
        description="An event is what data holds; what it lacks comes from the attributes.",
        required=["specversion", "id", "source", "type"],
        properties={
            "specversion": Schema(type=_TEXT, enum=["1.0"]),
            "id": Schema(type=_TEXT, min_length=1),
            "source": Schema(type=_TEXT, min_length=1, description="with id: eventId"),
            "type": Schema(type=_TEXT, min_length=1, description="its last word: eventType"),
            "time": Schema(type=_TEXT, description="timestamp", examples=[_ISO_EXAMPLE]),
            "subject": Schema(type=_TEXT, description="userId"),
            "datacontenttype": Schema(type=_TEXT, default="application/json"),
            "data": Schema(type=OpenAPIType.OBJECT),
            "data_base64": Schema(type=_TEXT, description="in place of data"),
        },
    )
    return {
        STRUCTURED: OpenAPIMediaType(schema=one),
        BATCH: OpenAPIMediaType(schema=Schema(type=_ARRAY, items=one)),
    }


def _responses(*, files: bool) -> dict[str, OpenAPIResponse | Reference]:
    by_status: dict[int, list[str]] = {}
    for status, what in REFUSALS.values():
        by_status.setdefault(status, []).append(what)
    return {
        "200": OpenAPIResponse(
            description="Every event of the request is durable.",
            content={"application/json": OpenAPIMediaType(schema=_answer(files=files))},
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


def event_schema() -> Schema:
    """An event as it is sent."""
    return Schema(
        type=OpenAPIType.OBJECT,
        title="CustomerActivityEvent",
        required=["userId", "timestamp", "eventType"],
        properties={
            "eventId": Schema(type=_TEXT_OR_NULL, min_length=1, max_length=100),
            "userId": Schema(type=_TEXT, min_length=1, max_length=256),
            "sessionId": Schema(type=_TEXT_OR_NULL, max_length=256),
            "timestamp": Schema(
                description="ISO-8601 with an offset, or milliseconds since 1970",
                one_of=[Schema(type=_TEXT, examples=[_ISO_EXAMPLE]), Schema(type=_WHOLE)],
            ),
            "eventType": Schema(
                type=_TEXT, pattern=f"^{rules.EVENT_TYPE.pattern}$", examples=["PAGE_VIEW"]
            ),
            "productId": Schema(type=_TEXT_OR_NULL, max_length=256),
            "pageUrl": Schema(type=_TEXT_OR_NULL, max_length=2048),
            "value": Schema(
                type=[OpenAPIType.NUMBER, OpenAPIType.NULL],
                minimum=-rules.MAX_ABSOLUTE_VALUE,
                maximum=rules.MAX_ABSOLUTE_VALUE,
            ),
            "properties": Schema(
                type=[OpenAPIType.OBJECT, OpenAPIType.NULL],
                description=f"at most {rules.MAX_PROPERTIES_BYTES} bytes, kept as it came",
            ),
        },
    )


def product_update_schema() -> Schema:
    """A product update as it is sent."""
    text = Schema(type=_TEXT, min_length=1, max_length=256)
    text_or_null = Schema(type=_TEXT_OR_NULL, min_length=1, max_length=256)
    return Schema(
        type=OpenAPIType.OBJECT,
        title="ProductUpdate",
        required=["productId"],
        properties={
            "productId": text,
            "name": text_or_null,
            "category": text_or_null,
            "price": Schema(
                type=[OpenAPIType.NUMBER, OpenAPIType.NULL],
                minimum=0,
                maximum=rules.MAX_ABSOLUTE_VALUE,
            ),
            "validFrom": Schema(
                description="from when on it holds: ISO-8601 with an offset, or milliseconds since "
                "1970; without it, from its intake on",
                one_of=[
                    Schema(type=_TEXT_OR_NULL, examples=[_ISO_EXAMPLE]),
                    Schema(type=_WHOLE),
                ],
            ),
        },
    )


def _answer(*, files: bool) -> Schema:
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
            "hint": Schema(
                type=_TEXT,
                description="only where what was accepted is odd: times that look like seconds",
            ),
            **(_MORE_OF_A_FILE if files else {}),
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
