"""What is published agrees with what is taken."""

import json

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.intake.published import (
    ASYNCAPI_PATH,
    EVENT_SCHEMA_PATH,
    documents,
    published_routes,
)

EVENT = jsonschema_rs.validator_for(documents()[EVENT_SCHEMA_PATH])
texts = st.none() | st.text(st.characters(codec="ascii"), max_size=110)
fields = st.fixed_dictionaries(
    {},
    optional={
        "userId": texts,
        "eventId": texts,
        "sessionId": texts,
        "eventType": st.sampled_from(["PAGE_VIEW", "page", "", "A" * 65, 7]),
        "timestamp": st.sampled_from([0, "2026-01-01T00:00:00Z", None, 1.5]),
        "value": st.none() | st.sampled_from([1, -2.5, 2**34, "1"]),
        "properties": st.none() | st.just({}) | st.just([]),
        "other": st.just(1),
    },
)


@example({"userId": "u", "eventType": "PAGE_VIEW", "timestamp": 0, "value": None})
@given(fields)
def test_what_is_taken_fits_the_schema(event: dict[str, object]) -> None:
    if not isinstance(decode(json.dumps(event).encode()), Rejection):
        EVENT.validate(event)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"userId": "", "eventType": "A", "timestamp": 0},
        {"userId": "u", "eventType": "a", "timestamp": 0},
        {"userId": "u", "eventType": "A", "timestamp": 0, "value": 2.0**34},
        {"userId": "u", "eventType": "A", "timestamp": 0, "properties": []},
        {"userId": "u", "eventType": "A", "timestamp": True},
    ],
)
def test_what_the_schema_refuses_is_not_taken(event: dict[str, object]) -> None:
    assert not EVENT.is_valid(event)
    assert isinstance(decode(json.dumps(event).encode()), Rejection)


def test_every_document_is_served_where_it_says_it_is() -> None:
    with TestClient(Litestar(published_routes(), logging_config=None)) as client:
        for path, document in documents().items():
            answer = client.get(path)
            assert answer.json() == document
            assert document.get("$id", path) == path


def test_each_reference_of_asyncapi_leads_somewhere() -> None:
    document = documents()[ASYNCAPI_PATH]

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for each in node.values() for found in references(each)]
        return []

    found = references(document)
    assert len(found) == 4
    for reference in found:
        at: object = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(at, dict)
            at = at[part]
    payloads = [each["payload"]["title"] for each in document["components"]["messages"].values()]
    assert payloads == ["CustomerActivityEvent", "ProductUpdate"]
