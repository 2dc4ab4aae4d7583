"""What the windows of a metric look like, for the OpenAPI description."""

from litestar.openapi.spec import OpenAPIType, Reference, Schema
from litestar.openapi.spec.enums import OpenAPIFormat

from rtcdp.definitions import Count, Distinct, Measure, Metric, TopK
from rtcdp.events.derived import field_name

_TEXT = Schema(type=OpenAPIType.STRING)
_WHOLE = Schema(type=OpenAPIType.INTEGER)
_INSTANT = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME)


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
