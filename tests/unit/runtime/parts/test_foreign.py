"""Messages that were written otherwise than ours become lines, or lines that say why not."""

import json
import pickle
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import LogUnavailable
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.parts.foreign import translation_of
from tests.schemas import Registry, framed

EVENT: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "userId", "type": "string"},
        {"name": "eventType", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "value", "type": ["null", "double"], "default": None},
    ],
}
ADA = {
    "userId": "ada",
    "eventType": "PURCHASE",
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "value": 2.5,
}
LINE = b'{"userId":"ada","eventType":"PURCHASE","timestamp":"2026-01-01T00:00:00Z","value":2.5}'
PLAIN = b'{"userId":"eve","eventType":"SEARCH","timestamp":1767225600000}'

MAPPING = """
format = "ndjson"
[fields]
userId = "{customer.id}"
eventId = "{order}"
[event_type]
default = "PURCHASE"
[timestamp]
from = "{at}"
format = "epoch_ms"
[value]
from = "{price}"
"""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry().running() as running:
        yield running


def translated(registry: str, value: bytes, **headers: bytes) -> bytes:
    translation = translation_of(KafkaTopicSettings(schema_registry=registry))
    (line,) = translation([value], [[*headers.items()]] if headers else None)
    assert line is not None
    return line


def avro(schema: dict[str, Any], content: dict[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), content)
    return out.getvalue()


def why_not(line: bytes) -> str:
    rejection = decode(line)
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "not_mapped"
    return rejection.message


def test_avro_is_read_by_the_id_or_the_guid_of_its_schema(registry: Registry) -> None:
    number, guid = registry.add(EVENT)
    payload = avro(EVENT, ADA)
    assert translated(registry.url, framed(number, payload)) == LINE
    assert translated(registry.url, b"\1" + guid.bytes + payload) == LINE
    assert translated(registry.url, payload, __value_schema_id=b"\1" + guid.bytes) == LINE


@pytest.mark.parametrize("spoil", [lambda all_: all_[:-1], lambda all_: all_ + b"x"])
def test_what_is_not_of_its_schema_says_so_with_all_its_bytes(registry, spoil) -> None:  # type: ignore[no-untyped-def]
    number, _ = registry.add(EVENT)
    value = spoil(framed(number, avro(EVENT, ADA)))
    line = translated(registry.url, value)
    assert f"it is not of the schema {number}" in why_not(line)
    assert json.loads(line)["line"].encode() == b64encode(value)


def test_a_schema_that_is_not_there_is_asked_for_once_and_so_is_one_that_is(
    registry: Registry,
) -> None:
    number, _ = registry.add(EVENT)
    translation = translation_of(KafkaTopicSettings(schema_registry=registry.url))
    good, bad = framed(number, avro(EVENT, ADA)), framed(99, b"x")
    lines = translation([good, bad, None, PLAIN] * 50, None)
    assert lines[:1] + lines[2:4] == [LINE, None, PLAIN]
    assert "the schema registry has no schema 99" in why_not(lines[1] or b"")
    assert sorted(registry.asked) == ["/schemas/ids/1", "/schemas/ids/99"]


def test_while_the_registry_is_away_nothing_is_read_and_nothing_is_lost(
    registry: Registry,
) -> None:
    number, _ = registry.add(EVENT)
    value = framed(number, avro(EVENT, ADA))
    for registry.status in (401, 503):
        with pytest.raises(LogUnavailable, match="schema registry at "):
            translated(registry.url, value)
    registry.status = 200
    assert translated(registry.url, value) == LINE


def test_a_mapping_makes_events_of_other_fields(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "orders.toml").write_text(MAPPING)
    number, _ = registry.add({"type": "object"}, "JSON")
    made = translation_of(
        KafkaTopicSettings(
            schema_registry=registry.url, schema_mapping=str(tmp_path / "orders.toml")
        )
    )
    order = b'{"customer":{"id":"ada"},"order":7,"at":1767225600000,"price":9.5}'
    translation = pickle.loads(pickle.dumps(made))  # noqa: S301 - as Spark's executors get it
    first, second, plain = translation(
        [framed(number, order), framed(number, b'{"order":8}'), PLAIN], None
    )
    assert json.loads(first) == {
        "eventId": "7",
        "userId": "ada",
        "eventType": "PURCHASE",
        "value": 9.5,
        "timestamp": "2026-01-01T00:00:00.000Z",
    }
    assert "customer.id is empty" in why_not(second)
    assert plain == PLAIN


def test_a_mapping_for_files_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="rees46, for csv"):
        translation_of(KafkaTopicSettings(schema_registry="http://x", schema_mapping="rees46"))
    with pytest.raises(UsageError, match="for messages of a registry"):
        translation_of(KafkaTopicSettings(schema_mapping="rees46"))


def test_what_is_no_url_is_refused_without_its_password() -> None:
    for url in ("registry:8082", "http://a:1,me:secret@registry:8082"):
        with pytest.raises(UsageError, match="no URL: registry:8082"):
            translation_of(KafkaTopicSettings(schema_registry=url))


def test_cloud_events_are_known_by_their_headers() -> None:
    told = {
        "ce_specversion": b"1.0",
        "ce_id": "ü".encode(),
        "ce_source": b"/shop",
        "ce_type": b"com.shop.page-view",
        "ce_subject": b"ada",
        "ce_time": b"2026-01-01T00:00:00Z",
    }
    expected = {
        "eventId": "/shop ü",
        "userId": "ada",
        "timestamp": "2026-01-01T00:00:00Z",
        "eventType": "PAGE_VIEW",
        "pageUrl": "/",
    }
    translation = translation_of(KafkaTopicSettings())
    whole = {name.removeprefix("ce_"): text.decode() for name, text in told.items()}
    structured = json.dumps({**whole, "data": {"pageUrl": "/"}}).encode()
    json_type = [("content-type", b"application/json")]
    values = [b'{"pageUrl":"/"}', structured, PLAIN, PLAIN, b"{}"]
    binary, also, plain, bare, wrong = translation(
        values,
        [
            [*told.items(), *json_type],
            [("Content-Type", b"x"), ("content-type", b"application/cloudevents+json; charset=u")],
            json_type,
            None,
            [("ce_specversion", b"0.3")],
        ],
    )
    assert json.loads(binary or b"") == json.loads(also or b"") == expected
    assert (plain, bare) == (PLAIN, PLAIN)
    assert "CloudEvent 1.0" in why_not(wrong or b"")


def test_what_is_ours_stays_the_very_same() -> None:
    values = [PLAIN, b"\0abc", None]
    assert translation_of(KafkaTopicSettings())(values, None) is values
    away = KafkaTopicSettings(schema_registry="http://127.0.0.1:9")
    assert translation_of(away)(values[::2], [[("rtcdp-source", b"web")], None]) == values[::2]
