"""Messages become JSON by the schemas of a registry, or it is said why they can't."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest

from rtcdp.log.contract import LogUnavailable
from rtcdp.log.kafka.schemas import SchemaReader, Unreadable
from tests.schemas import Registry, framed

SHOP = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "money.proto";
message Unused { string a = 1; }
message Outer {
  enum Kind { UNKNOWN = 0; PURCHASE = 1; }
  message Sold {
    string user_id = 1;
    Kind event_type = 2;
    google.protobuf.Timestamp timestamp = 3;
    int64 count = 4;
    repeated string tags = 5;
    map<string, int64> parts = 6;
    money.Price price = 7;
  }
}
"""
MONEY = 'syntax = "proto3"; package money; message Price { int64 micros = 1; }'

PLAIN = b'{"userId":"eve"}'


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry().running() as running:
        yield running


def read(registry: Registry, value: bytes, header: bytes | None = None) -> bytes:
    return SchemaReader(registry.url).json_of(value, header)


def avro(schema: dict[str, Any], content: dict[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), content)
    return out.getvalue()


def field(number: int, content: bytes) -> bytes:
    """A field of Protobuf that has a length."""
    return bytes([number << 3 | 2, len(content)]) + content


def record(name: str, **fields: Any) -> dict[str, Any]:
    """A record of Avro."""
    listed = [{"name": field, "type": type_} for field, type_ in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


def test_a_schema_may_refer_to_others(registry: Registry) -> None:
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    price = record("shop.Price", amount=amount)
    inner, _ = registry.add(price)
    number, _ = registry.add(
        record("Sold", userId="string", price="shop.Price"),
        references=[{"name": "shop.Price", "subject": f"schema-{inner}", "version": 1}],
    )
    whole = record("Sold", userId="string", price=price)
    payload = avro(whole, {"userId": "ada", "price": {"amount": Decimal("12.30")}})
    assert read(registry, framed(number, payload)) == b'{"userId":"ada","price":{"amount":12.30}}'


def test_json_of_a_schema_is_left_to_the_strict_rule_as_it_came(registry: Registry) -> None:
    number, _ = registry.add({"type": "object"}, "JSON")
    for body in (PLAIN, b'{"userId":"a","userId":"b"}', b'{ "value": 1e999 }', b"nothing"):
        assert read(registry, framed(number, body)) == body


def test_protobuf_is_read_by_the_message_that_it_names(registry: Registry) -> None:
    inner, _ = registry.add(MONEY, "PROTOBUF")
    refers = [{"name": "money.proto", "subject": f"schema-{inner}", "version": 1}]
    number, guid = registry.add(SHOP, "PROTOBUF", refers)
    body = b"".join(
        [
            field(1, b"ada"),
            bytes([2 << 3, 1]),
            field(3, bytes([8, 100])),
            bytes([4 << 3, 0xAC, 0x02]),
            field(5, b"new") + field(5, b"red"),
            field(6, field(1, b"box") + bytes([2 << 3, 7])),
            field(7, bytes([8, 5])),
        ]
    )
    expected = {
        "userId": "ada",
        "eventType": "PURCHASE",
        "timestamp": "1970-01-01T00:01:40Z",
        "count": 300,
        "tags": ["new", "red"],
        "parts": {"box": 7},
        "price": {"micros": 5},
    }
    sold = b"\x04\x02\x00"  # two numbers: the second message, and the first in that
    assert json.loads(read(registry, framed(number, sold + body))) == expected
    header = b"\1" + guid.bytes + sold
    assert json.loads(read(registry, body, header)) == expected
    assert read(registry, framed(number, b"\0" + field(1, b"x"))) == b'{"a":"x"}'
    with pytest.raises(Unreadable, match="not of the schema"):
        read(registry, framed(number, b"\x02\x12"))


@pytest.mark.parametrize(
    ("schema", "kind", "why"),
    [
        ('{"type": "record"}', "AVRO", "can't be used"),
        ("message {", "PROTOBUF", "schema.proto:1"),
        ("x", "XML", "its schema is XML"),
    ],
)
def test_a_schema_that_is_none_is_said_to_be_none(
    registry: Registry, schema: str, kind: str, why: str
) -> None:
    number, _ = registry.add(schema, kind)
    with pytest.raises(Unreadable, match=why):
        read(registry, framed(number, b"\0"))


def test_a_server_that_is_no_registry_makes_messages_wait(registry: Registry) -> None:
    number, _ = registry.add({"type": "object"}, "JSON")
    registry.is_other_server = True
    reader = SchemaReader(registry.url)
    with pytest.raises(LogUnavailable, match="does not answer"):
        reader.json_of(framed(number, PLAIN))
    registry.is_other_server = False
    assert reader.json_of(framed(number, PLAIN)) == PLAIN


def test_an_id_that_the_registry_refuses_is_none_of_its_schemas(registry: Registry) -> None:
    registry.code = 42201
    with pytest.raises(Unreadable, match="has no schema 7"):
        read(registry, framed(7, PLAIN))


def test_no_message_ends_the_process(registry: Registry) -> None:
    number, _ = registry.add(record("N", next=["null", "N"]))
    value = framed(number, b"\x02" * 20_000 + b"\0")
    script = (
        "import sys; from rtcdp.log.kafka.schemas import SchemaReader, Unreadable\n"
        "try: SchemaReader(sys.argv[1]).json_of(bytes.fromhex(sys.argv[2]))\n"
        "except Unreadable as why: print(why)"
    )
    done = subprocess.run(
        (sys.executable, "-c", script, registry.url, value.hex()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "holds itself" in done.stdout) == (0, True)


def test_a_compiler_that_can_not_work_now_is_asked_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[Any] = [
        OSError(28, "disk full"),
        subprocess.TimeoutExpired("protoc", 60),
        subprocess.CompletedProcess((), -9, "", ""),
    ]

    def fail(*_: Any, **__: Any) -> Any:
        trouble = troubles.pop()
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    number, _ = registry.add(MONEY, "PROTOBUF")
    value = framed(number, b"\0\x08\x05")
    reader = SchemaReader(registry.url)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", fail)
        while troubles:
            with pytest.raises(LogUnavailable, match="the compiler of Protobuf"):
                reader.json_of(value)
    assert reader.json_of(value) == b'{"micros":5}'


def test_a_name_that_no_file_can_have_is_a_mistake_of_the_schema(registry: Registry) -> None:
    inner, _ = registry.add(MONEY, "PROTOBUF")
    refers = [{"name": "x" * 300, "subject": f"schema-{inner}", "version": 1}]
    number, _ = registry.add(SHOP, "PROTOBUF", refers)
    with pytest.raises(Unreadable, match="no name of a file"):
        read(registry, framed(number, b"\0"))


@pytest.mark.parametrize("checked_s", [0.0, 60.0])
def test_nothing_is_read_by_a_schema_that_has_lost_its_id_to_another(
    registry: Registry, checked_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it noticed since it is time to look, or since a message does not fit."""
    before, now = record("Sold", userId="string", pageUrl="string"), record("Sold", userId="int")
    number, _ = registry.add(before)
    old = framed(number, avro(before, {"userId": "ada", "pageUrl": "/"}))
    new = framed(number, avro(now, {"userId": 7}))
    reader = SchemaReader(registry.url, checked_s)
    assert reader.json_of(old) == b'{"userId":"ada","pageUrl":"/"}'
    monkeypatch.setattr("rtcdp.log.kafka.schemas.DOUBTED_S", 0.0)
    registry.set_up_anew()
    assert reader.json_of(old) == b'{"userId":"ada","pageUrl":"/"}'
    registry.set_up_anew(now)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="the id 1 to another") as raised:
            reader.json_of(new)
        assert "restart" in raised.value.hint
    assert read(registry, new) == b'{"userId":7}'
    registry.set_up_anew(before)
    assert reader.json_of(old) == b'{"userId":"ada","pageUrl":"/"}'
