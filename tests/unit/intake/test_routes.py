import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import zstandard
from litestar import Litestar

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.intake.collector import Collector
from rtcdp.log.contract import LogFailed, LogFull

EVENT = b'{"eventId":"e-1","userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}'
NDJSON = {"content-type": "application/x-ndjson"}
DEEP = b"[" * 100_000 + b"]" * 100_000

POISON = [
    b'{"userId":"u","timestamp":0,"eventType":"A","value":NaN}',
    b'{"userId":"u","timestamp":0,"eventType":"A","value":Infinity}',
    b'{"userId":"u","timestamp":0,"eventType":"A","value":-0}',
    b'{"userId":"u","timestamp":0,"eventType":"A","value":1e999}',
    b'{"userId":"u","timestamp":0,"eventType":"A","value":8589934592}',
    b'{"userId":"u","timestamp":0,"eventType":"A","value":9007199254740993}',
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":9223372036854775808}',
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":18446744073709551616}',
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":-9223372036854775809}',
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":' + b"9" * 5000 + b"}",
    b'{"userId":"u","timestamp":9223372036854775808,"eventType":"A"}',
    b'{"userId":"u","userId":"v","timestamp":0,"eventType":"A"}',
    b'{"userId":"u","user\\u0049d":"v","timestamp":0,"eventType":"A"}',
    b'{"userId":"u","timestamp":0,"eventType":"A","x":1,"x":2}',
    b'{"userId":"\\ud800","timestamp":0,"eventType":"A"}',
    b'{"userId":"\\udc00\\ud800 and more","timestamp":0,"eventType":"A"}',
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":"\\ud83d"}',
    b'{"userId":"\xed\xa0\x80","timestamp":0,"eventType":"A"}',
    b'{"userId":"\xff\xfe","timestamp":0,"eventType":"A"}',
    b'{"userId":"u\\u0000","timestamp":0,"eventType":"A"}',
    b'{"userId":"u\x00","timestamp":0,"eventType":"A"}',
    b'{"userId":"\xe2\x80\xae\xe2\x80\x8b","timestamp":0,"eventType":"A"}',
    b'{"userId":"$gt","timestamp":0,"eventType":"A","a.b":{"$where":"x"}}',
    b'{"userId":"=cmd()","timestamp":0,"eventType":"A","pageUrl":"<script>"}',
    b'{"userId":"u","timestamp":0,"eventType":"A","properties":' + DEEP + b"}",
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":' + DEEP + b"}",
    b'{"userId":"u","timestamp":0,"eventType":"A","extra":' + b"[" * 70 + b"]" * 70 + b"}",
    b'{"userId":"u","timestamp":0,"eventType":"A","' + b"k" * 1_000_000 + b'":1}',
    b'{"userId":"u","timestamp":0,"eventType":"A","properties":{"a":"' + b"x" * 40_000 + b'"}}',
    b'{"userId":"u","timestamp":"yesterday","eventType":"A"}',
    b'{"userId":"u","timestamp":"0001-01-01T00:00:00+14:00","eventType":"A"}',
    b'{"userId":"u","timestamp":0,"eventType":"a"}',
    b'{"userId":7,"timestamp":0,"eventType":"A"}',
    b"{}",
    b"[]",
    b"[{}]",
    b"null",
    b"true",
    b"1",
    b'"text"',
]


@pytest.mark.parametrize("record", POISON, ids=lambda record: record[:60].decode("latin-1"))
@pytest.mark.parametrize("packaging", ["lines", "array"])
async def test_each_event_gets_the_verdict_of_the_codec(
    client: httpx.AsyncClient, log, record: bytes, packaging: str
) -> None:
    if packaging == "lines":
        body, headers = EVENT + b"\n" + record + b"\n" + EVENT, NDJSON
    else:
        body, headers = b"[" + EVENT + b"," + record + b"," + EVENT + b"]", {}
    response = await client.post("/v1/events", content=body, headers=headers)
    answer = response.json()
    assert response.status_code == 200
    verdict = decode(record)
    if isinstance(verdict, Rejection):
        (rejected,) = answer["rejected"]
        assert (rejected["index"], rejected["code"]) == (1, verdict.reason)
        assert rejected["message"] == verdict.message
        ((index, kept),) = log.deliveries[0].rejects
        # Of a very long one the first part is kept, which breaks the same rule.
        assert (index, record[: len(kept)]) == (1, kept)
        assert len(kept) >= min(len(record), 2**18)
        assert log.records == [EVENT, EVENT]
    else:
        assert answer == {"accepted": 2, "duplicates": 1, "rejected": [], "rejected_count": 0}
        assert log.records == [EVENT, record, EVENT]


async def test_one_event_is_taken(client: httpx.AsyncClient, log) -> None:
    response = await client.post("/v1/events", json=json.loads(EVENT))
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "rejected_count": 0}
    assert (log.deliveries[0].source, log.deliveries[0].intake) == ("default", "live")


async def test_a_rejected_event_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/events", content=b'[{"eventId":"x","userId":"u"}]')
    assert response.json() == {
        "accepted": 0,
        "duplicates": 0,
        "rejected": [
            {
                "index": 0,
                "eventId": "x",
                "code": "missing_field",
                "message": decode(b'{"eventId":"x","userId":"u"}').message,
            }
        ],
        "rejected_count": 1,
    }


async def test_an_empty_array_is_fine(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/events", content=b"[]")
    assert response.json() == {"accepted": 0, "duplicates": 0, "rejected": [], "rejected_count": 0}


async def test_imported_history_carries_its_mark(client: httpx.AsyncClient, log) -> None:
    await client.post("/v1/import?source=archive", content=EVENT)
    assert (log.deliveries[0].source, log.deliveries[0].intake) == ("archive", "import")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(EVENT, mtime=0)),
        ("GZIP", gzip.compress(EVENT, mtime=0)),
        ("zstd", zstandard.compress(EVENT)),
        ("identity", EVENT),
    ],
)
async def test_a_body_may_be_compressed(client, log, encoding: str, body: bytes) -> None:
    await client.post("/v1/events", content=body, headers={"content-encoding": encoding})
    assert log.records == [EVENT]


@pytest.mark.parametrize("given", ["Application/X-NDJSON; charset=utf-8", "application/jsonl"])
async def test_the_content_type_may_be_written_in_any_way(client, given: str) -> None:
    response = await client.post("/v1/events", content=b"bad", headers={"content-type": given})
    assert response.status_code == 200
    assert response.json()["rejected"][0]["code"] == "not_json"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (("", b"", {}), 400, "empty_body"),
        (("", b"garbage", {}), 400, "not_events"),
        (("", b"\xef\xbb\xbf" + EVENT, NDJSON), 400, "byte_order_mark"),
        (("", EVENT, {"content-encoding": "gzip"}), 400, "corrupt_encoding"),
        (("", EVENT, {"content-encoding": "br"}), 415, "unknown_encoding"),
        (("", EVENT, [("content-encoding", "gzip")] * 2), 415, "unknown_encoding"),
        (("", b"x" * (4 * 2**20 + 1), {}), 413, "body_too_large"),
        (("", b"{}\n" * 10_001, {}), 413, "too_many_events"),
        (("?source=Shop", EVENT, {}), 400, "bad_source"),
        (("?source=", EVENT, {}), 400, "bad_source"),
        (("?source=a&source=b", EVENT, {}), 400, "repeated_parameter"),
        (("?source=%FF", EVENT, {}), 400, "bad_source"),
        (("?sorce=app", EVENT, {}), 400, "unknown_parameter"),
        (("?source=app&token=x", EVENT, {}), 400, "unknown_parameter"),
        (("?" + "a=1&" * 21, EVENT, {}), 400, "unknown_parameter"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_request_that_is_refused_says_why_and_records_nothing(
    client: httpx.AsyncClient, log, collector: Collector, sent, status: int, code: str
) -> None:
    query, body, headers = sent
    response = await client.post(f"/v1/events{query}", content=body, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert set(document) == {"type", "title", "status", "detail", "hint", "code"}
    assert document["hint"]
    assert document["hint"] not in document["detail"]
    assert log.appends == 0
    assert collector.stats().refused == {code: 1}


async def test_an_unknown_encoding_is_answered_with_the_known_ones(client) -> None:
    headers = {"content-encoding": "br"}
    response = await client.post("/v1/events", content=EVENT, headers=headers)
    assert response.headers["accept-encoding"] == "gzip, zstd"


async def test_a_chunked_body_is_read_no_further_than_the_limit(client) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 2**20

    response = await client.post("/v1/events", content=endless())
    assert (response.status_code, sent) == (413, 5)


async def test_options_are_told_without_a_request_of_events(client: httpx.AsyncClient, log) -> None:
    response = await client.options("/v1/events")
    assert (response.status_code, response.headers["allow"]) == (204, "OPTIONS, POST")
    assert response.content == b""
    assert log.appends == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_any_other_method_is_not_allowed(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/v1/import")
    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize(
    ("error", "code"), [(LogFull("full"), "log_full"), (LogFailed("broken"), "log_failed")]
)
async def test_when_the_log_refuses_the_client_is_told_to_wait(client, log, error, code) -> None:
    log.error = error
    response = await client.post("/v1/events", content=EVENT)
    assert (response.status_code, response.json()["code"]) == (503, code)
    assert response.headers["retry-after"] == "1"


async def test_after_a_failure_every_request_is_refused_unread(client, log) -> None:
    log.error = LogFailed("broken")
    await client.post("/v1/events", content=EVENT)
    for body in (EVENT, b"garbage", b""):
        response = await client.post("/v1/events", content=body)
        assert (response.status_code, response.json()["code"]) == (503, "log_failed")
    assert log.appends == 1


async def test_a_web_socket_is_closed(app: Litestar) -> None:
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/events", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1000)]
