"""CloudEvents of a producer that uses the SDK of their own, over the collector's routes."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.intake.cloud_events import event_line
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = {
    "id": "7",
    "source": "/shop/eu",
    "type": "com.shop.page-view.v2",
    "specversion": "1.0",
    "time": NOW,
    "subject": "ada",
    "datacontenttype": "application/json",
}
WHOLE = {"eventId": "e-1", "userId": "bob", "timestamp": 5, "eventType": "PURCHASE", "value": 9.5}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def made(data: Any = None, **attributes: Any) -> CloudEvent:
    return CloudEvent({**ATTRIBUTES, **attributes}, data)


def as_json(data: Any = None, **members: Any) -> dict[str, Any]:
    wire = {**ATTRIBUTES, "time": NOW.isoformat(), **members}
    return wire if data is None else {**wire, "data": data}


async def post(client: httpx.AsyncClient, message: HTTPMessage) -> dict[str, Any]:
    response = await client.post("/v1/events", content=message.body, headers=message.headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("mode", [to_binary_event, to_structured_event])
async def test_the_event_is_what_data_holds(client: httpx.AsyncClient, log, mode) -> None:
    answer = await post(client, mode(made(WHOLE)))
    assert answer["accepted"] == 1
    assert [json.loads(record) for record in log.records] == [WHOLE]


@pytest.mark.parametrize("mode", [to_binary_event, to_structured_event])
async def test_what_data_lacks_comes_from_the_attributes(
    client: httpx.AsyncClient, log, mode
) -> None:
    await post(client, mode(made({"pageUrl": "/p/1"})))
    (record,) = log.records
    event = decode(record)
    assert not isinstance(event, Rejection)
    assert (event.user_id, event.event_type, event.page_url) == ("ada", "PAGE_VIEW", "/p/1")
    assert event.timestamp_ms == NOW.timestamp() * 1000
    assert event.event_id == "/shop/eu 7"


async def test_the_same_cloud_event_in_another_mode_is_a_duplicate(
    client: httpx.AsyncClient,
) -> None:
    first = await post(client, to_binary_event(made({"value": 1})))
    again = await post(client, to_structured_event(made({"value": 1})))
    other = await post(client, to_structured_event(made({"value": 1}, source="/shop/us")))
    assert [answer["duplicates"] for answer in (first, again, other)] == [0, 1, 0]


async def test_of_a_batch_the_good_ones_are_kept_and_the_others_told_by_their_place(
    client: httpx.AsyncClient, log
) -> None:
    batch = [as_json(WHOLE), as_json([1]), {"id": "x"}, as_json({"userId": "eve"}, id="8")]
    response = await client.post("/v1/events", content=json.dumps(batch), headers=BATCH)
    answer = response.json()
    assert (answer["accepted"], answer["rejected_count"]) == (2, 2)
    assert [(it["index"], it["code"]) for it in answer["rejected"]] == [
        (1, "not_mapped"),
        (2, "not_mapped"),
    ]
    assert "JSON object in data" in answer["rejected"][0]["message"]
    assert "specversion" in answer["rejected"][1]["message"]
    assert len(log.records) == 2
    ((_, kept), _) = log.deliveries[0].rejects
    # As the engine will say, and with all that came.
    verdict = decode(kept)
    assert isinstance(verdict, Rejection)
    assert verdict.message == answer["rejected"][0]["message"]
    assert json.loads(json.loads(kept)["line"]) == batch[1]


async def test_a_batch_that_is_no_array_is_refused(client: httpx.AsyncClient, log) -> None:
    response = await client.post("/v1/events", content=json.dumps(as_json(WHOLE)), headers=BATCH)
    assert (response.status_code, response.json()["code"]) == (400, "not_events")
    assert "JSON array" in response.json()["detail"] + response.json()["hint"]
    assert log.appends == 0


async def test_a_binary_one_may_be_compressed(client: httpx.AsyncClient, log) -> None:
    message = to_binary_event(made(WHOLE))
    headers = {**message.headers, "content-encoding": "gzip"}
    packed = gzip.compress(message.body)
    response = await client.post("/v1/events", content=packed, headers=headers)
    assert response.json()["accepted"] == 1
    assert [json.loads(record) for record in log.records] == [WHOLE]


async def test_a_binary_one_that_holds_several_events_is_none_of_them(
    client: httpx.AsyncClient, log
) -> None:
    """However long: what they are without their attributes is not what was sent."""
    lines = b"".join(
        json.dumps({**WHOLE, "eventId": str(each)}).encode() + b"\n" for each in range(900)
    )
    for body in (lines, lines + b'{"x":"\xff"}'):
        message = to_binary_event(made(WHOLE))
        response = await client.post("/v1/events", content=body, headers=message.headers)
        answer = response.json()
        assert (answer["accepted"], answer["rejected_count"]) == (0, 1)
        assert answer["rejected"][0]["code"] == "not_mapped"
    assert log.records == []
    ((_, kept),) = log.deliveries[0].rejects
    assert lines.decode().startswith(json.loads(kept)["line"])


async def test_a_plain_event_is_no_cloud_event(client: httpx.AsyncClient, log) -> None:
    """Be it so long that it leaves no room for the reason."""
    members = {f"n{each}": "x" * 1_000 for each in range(64)}
    for event in (WHOLE, {**WHOLE, **members}):
        headers = {"content-type": "application/cloudevents+json"}
        answer = (await client.post("/v1/events", json=event, headers=headers)).json()
        assert [each["code"] for each in answer["rejected"]] == ["not_mapped"]
        body = json.dumps(event).encode()
        assert split(body, headers["content-type"], CollectorLimits()).line_count == 0
    assert log.records == []


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_binary_one_is_no_longer_than_what_is_looked_at_at_once(
    client: httpx.AsyncClient, log, encoding
) -> None:
    body = json.dumps(WHOLE).encode() + b" " * CollectorLimits().max_inline_bytes
    message = to_binary_event(made(WHOLE))
    packed = gzip.compress(body) if encoding == "gzip" else body
    headers = {**message.headers, "content-encoding": encoding}
    response = await client.post("/v1/events", content=packed, headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert log.appends == 0


async def test_headers_of_a_cloud_event_say_nothing_to_a_plain_request(
    client: httpx.AsyncClient, log
) -> None:
    response = await client.post("/v1/events", json=WHOLE, headers={"ce-id": "1", "ce-type": "x"})
    assert response.json()["accepted"] == 1
    assert [json.loads(record) for record in log.records] == [WHOLE]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"data": "text"}, "JSON object in data"),
        ({"data": 7}, "JSON object in data"),
        ({"data": {}, "data_base64": "e30="}, "not both"),
        ({"data_base64": "%"}, "not Base64"),
        ({"data_base64": base64.b64encode(b"[1").decode()}, "JSON object in data"),
        ({"data": {}, "datacontenttype": "text/xml"}, "not as text/xml"),
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "$.id"),
        ({"source": None}, "$.source"),
    ],
)
def test_a_cloud_event_without_an_event_says_what_to_send(
    members: dict[str, Any], told: str
) -> None:
    verdict = decode(event_line(json.dumps(as_json(**members)).encode()))
    assert isinstance(verdict, Rejection)
    assert verdict.reason == "not_mapped"
    assert told in verdict.message


@pytest.mark.parametrize(
    "fault", [b'{"userId":"a","userId":"b"}', b'{"value":NaN}', b'{"x":"\xff"}']
)
def test_the_strict_rule_sees_the_data_as_it_came(fault: bytes) -> None:
    record = json.dumps(as_json()).encode()[:-1] + b',"data":' + fault + b"}"
    assert isinstance(decode(event_line(record)), Rejection)


def test_a_type_is_named_as_events_are() -> None:
    def named(cloud_type: str) -> str:
        event = decode(event_line(json.dumps(as_json(type=cloud_type)).encode()))
        assert not isinstance(event, Rejection), event
        return event.event_type

    types = ["PURCHASE", "add_to_cart", "shop.addToCart", "com.shop.page-view.v12", "a.b.Search"]
    assert [*map(named, types)] == [
        "PURCHASE",
        "ADD_TO_CART",
        "ADD_TO_CART",
        "PAGE_VIEW",
        "SEARCH",
    ]


@given(
    st.lists(
        st.tuples(st.text("ab/ %", min_size=1, max_size=60), st.text("ab 7#", min_size=1)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_two_cloud_events_never_share_an_id(pairs: list[tuple[str, str]]) -> None:
    lines = [
        event_line(json.dumps(as_json(source=source, id=an_id)).encode()) for source, an_id in pairs
    ]
    ids = [json.loads(line)["eventId"] for line in lines]
    # A space in a source is no URI reference, and is read as one that is written as it should be.
    if pairs[0][0].replace(" ", "%20") != pairs[1][0].replace(" ", "%20"):
        assert ids[0] != ids[1]
    assert all(len(one) <= 100 for one in ids)
