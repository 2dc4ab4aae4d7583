"""What producers build against: the JSON Schemas of what is sent, and AsyncAPI of where to.

The same shapes as in `/openapi.json`, as documents of their own, which registries of schemas and
generators of code take. Sources: JSON Schema 2020-12, AsyncAPI 3.0.0.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Schema

import rtcdp
from rtcdp.access.needs import READ
from rtcdp.definitions.products import EVENTS_TOPIC, PRODUCT_STREAM
from rtcdp.intake.documentation import event_schema, product_update_schema
from rtcdp.log.envelope import INTAKE_HEADER, SOURCE_HEADER
from rtcdp.log.limits import SOURCE_NAME

ASYNCAPI_PATH = "/asyncapi.json"
EVENT_SCHEMA_PATH = "/schemas/customer-activity-event.json"
PRODUCT_SCHEMA_PATH = "/schemas/product-update.json"

_KEPT_S = 3_600
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def published_routes() -> list[HTTPRouteHandler]:
    """A route for each document, made once, here."""
    return [_document(path, document) for path, document in documents().items()]


def documents() -> dict[str, dict[str, Any]]:
    """The documents by path."""
    event, update = _as_json(event_schema()), _as_json(product_update_schema())
    return {
        EVENT_SCHEMA_PATH: {"$schema": _DIALECT, "$id": EVENT_SCHEMA_PATH, **event},
        PRODUCT_SCHEMA_PATH: {"$schema": _DIALECT, "$id": PRODUCT_SCHEMA_PATH, **update},
        ASYNCAPI_PATH: _asyncapi(event, update),
    }


def _as_json(schema: Schema) -> dict[str, Any]:
    document: dict[str, Any] = schema.to_schema()
    return document


def _asyncapi(event: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "rtcdp",
            "version": rtcdp.__version__,
            "description": "Customer activity events in, over Kafka. Over HTTP: /openapi.json.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel(
                EVENTS_TOPIC,
                "Events. The key is the userId; records without one are taken as well.",
                "event",
            ),
            "productUpdates": _channel(
                PRODUCT_STREAM,
                "What products are called, cost and belong to. The key is the productId.",
                "productUpdate",
            ),
        },
        "operations": {
            "takeEvents": _operation("events", "Each record is judged, and counted or explained."),
            "takeProductUpdates": _operation(
                "productUpdates", "Of each product a version, from validFrom on."
            ),
        },
        "components": {
            "messages": {
                "event": _message("CustomerActivityEvent", event),
                "productUpdate": _message("ProductUpdate", update),
            }
        },
    }


def _channel(topic: str, description: str, message: str) -> dict[str, Any]:
    return {
        "address": "{topic}",
        "description": description,
        "parameters": {"topic": {"default": topic, "description": "as RTCDP_LOG names it"}},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"bindingVersion": "0.5.0"}},
    }


def _operation(channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
    }


def _message(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "name": name,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                SOURCE_HEADER: {**text, "pattern": f"^{SOURCE_NAME.pattern}$"},
                INTAKE_HEADER: {**text, "enum": ["import"]},
            },
        },
        "payload": payload,
    }


def _document(path: str, document: Mapping[str, Any]) -> HTTPRouteHandler:
    content = msgspec.json.encode(document)
    headers = {"Cache-Control": f"private, max-age={_KEPT_S}"}

    @get(path, include_in_schema=False, opt=READ, sync_to_thread=False)
    def published() -> Response[bytes]:
        return Response(content, media_type=MediaType.JSON, headers=headers)

    return published
