"""Messages in Confluent's wire format as JSON: Avro, JSON Schema and Protobuf, by the schemas of a
registry.

In front of such a value stand a zero and the schema's id of four bytes; in the newer form a one and
its GUID of sixteen, there or in a header. A value of Protobuf says after that which message of the
schema it is.

Source: "Wire format", in the documentation of Confluent's Schema Registry.
"""

import errno
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import fastavro
import msgspec
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.serde import SchemaId
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rtcdp.log.contract import LogUnavailable
from rtcdp.log.kafka.avro_shape import check_bounded

TIMEOUT_S = 5.0
SCHEMAS_MAX = 1_000
"""So many schemas are remembered: those that were used last."""

UNKNOWN_S = 10.0
"""How long a schema that the registry does not know is not asked for again."""

CHECKED_S = 30.0
"""How long an id is taken for the same schema, where its messages can be read by that."""

DOUBTED_S = 1.0
"""How long where one can't."""

_CHECK_TIMEOUT_S = 1.0

_NO_SUCH = frozenset({400, 404, 422})
"""How a registry answers to an id that is none of its own. Its own codes begin with these."""

_REFERENCES_MAX = 100
_COMPILE_S = 60
_FORMS = {0: 4, 1: 16}
"""The first byte, and how many bytes of an id or a GUID follow it."""

_BAD_NAMES = frozenset(
    {errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR}
)
"""Why a file can't be written whose name is the fault."""

_MAIN_FILE = "schema.proto"
_GOOGLE = "google.protobuf"
_encode = msgspec.json.Encoder(decimal_format="number").encode

Read = Callable[[BytesIO, bytes | None], bytes]
"""From what tells the schema, read up to the end of its id, and the payload to JSON. The payload
follows there, or is given by itself. Raises whatever a library raises for one that doesn't fit."""


@dataclass
class _Known:
    """How messages are read by a schema, what was `told` of it, and when it was asked for last.
    It `is_other` if the registry has said another thing since."""

    read: Read
    told: Hashable
    asked_at: float
    is_other: bool = False


class Unreadable(Exception):
    """Why a message can't be read. Another try says the same."""


class SchemaReader:
    """Reads messages by the schemas of the registry at a URL, which may hold a user and a password.

    A schema never changes: each is fetched once, as long as it is among the `SCHEMAS_MAX` that were
    used last. An id, though, is given anew by a registry that is set up anew: every `checked_s` it
    is looked at whether it still is the same schema's. For several threads.
    """

    def __init__(self, url: str, checked_s: float = CHECKED_S) -> None:
        self._client = SchemaRegistryClient(
            {"url": url, "timeout": TIMEOUT_S, "max.retries": 1, "cache.capacity": SCHEMAS_MAX}
        )
        self._checking = SchemaRegistryClient(
            {"url": url, "timeout": _CHECK_TIMEOUT_S, "max.retries": 0, "cache.capacity": 1}
        )
        self._checked_s, self._check_from = checked_s, 0.0
        self._shown = urlsplit(url).netloc.rpartition("@")[2]
        self._read_by = lru_cache(SCHEMAS_MAX)(self._reader)
        self._unknown: dict[int | str, float] = {}
        self._mutex = threading.Lock()

    def json_of(self, value: bytes, header: bytes | None = None) -> bytes:
        """The message as JSON text; `header` tells its schema if its value does not.

        Raises `Unreadable`, and `LogUnavailable` while the registry does not answer, or has given
        the schema's id to another one.
        """
        told = value if header is None else header
        length = _FORMS.get(told[0]) if told else None
        if length is None or len(told) <= length:
            raise Unreadable("it names no schema: after 0 come 4 bytes, after 1 come 16")
        name = told[1 : 1 + length]
        key = int.from_bytes(name) if length == _FORMS[0] else str(UUID(bytes=name))
        known = self._asked(key)
        self._check(key, known, self._checked_s)
        source = BytesIO(told)
        source.seek(1 + length)
        try:
            return known.read(source, None if header is None else value)
        except Unreadable:
            raise
        except Exception as error:
            self._check(key, known, DOUBTED_S)
            why = f"it is not of the schema {key}: {type(error).__name__}: {error}"
            raise Unreadable(why) from error

    def kinds(self) -> Sequence[str]:
        """The kinds of schemas that the registry knows, like AVRO. Raises `LogUnavailable` where it
        does not answer, or something else does."""
        try:
            kinds = self._client.get_schema_types()
        except Exception as error:
            raise self._away(error) from error
        if not isinstance(kinds, list):
            raise self._away(ValueError("another server is there"))
        return [str(each) for each in kinds]

    def _check(self, key: int | str, known: _Known, within_s: float) -> None:
        """See whether an id is still that of the schema that is known by it, unless that was seen
        within so long. A GUID is made of its schema; and what a registry that is away or has lost
        a schema would say, nobody knows."""
        now = time.monotonic()
        if isinstance(key, str):
            return
        is_due = known.is_other or now - known.asked_at >= within_s
        if is_due and now >= self._check_from:
            known.asked_at = now
            self._look_again(key, known)
        if known.is_other:
            raise LogUnavailable(
                f"the schema registry at {self._shown} has given the id {key} to another schema",
                "if it was set up anew, restart all parts that read: they read by its new schemas"
                " from there on, and messages wait for it; else bring the old ones back",
            )

    def _look_again(self, key: int, known: _Known) -> None:
        try:
            self._checking.clear_caches()
            known.is_other = _told(self._checking.get_schema(key)) != known.told
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering
            if getattr(error, "http_status_code", None) not in _NO_SUCH:
                # Else each message waits for what is away.
                self._check_from = time.monotonic() + UNKNOWN_S

    def _asked(self, key: int | str) -> _Known:
        """How messages of a schema are read."""
        with self._mutex:
            if self._unknown.get(key, 0.0) > time.monotonic():
                raise Unreadable(f"the schema registry has no schema {key}")
        try:
            return self._read_by(key)
        except LogUnavailable:
            raise
        except SchemaRegistryError as error:
            if not self._is_final(error):
                raise self._away(error) from error
            with self._mutex:
                if len(self._unknown) >= SCHEMAS_MAX:
                    self._unknown.clear()
                self._unknown[key] = time.monotonic() + UNKNOWN_S
            raise Unreadable(f"the schema registry has no schema {key}") from error
        except Exception as error:
            raise self._away(error) from error

    def _is_final(self, error: SchemaRegistryError) -> bool:
        """Whether the registry itself says that it has no such schema. A proxy in front of it, or
        another server in its place, answers in the same way to everything."""
        status, code = error.http_status_code, error.error_code
        if status not in _NO_SUCH:
            return False
        if isinstance(code, int) and code // 100 == status:
            return True
        try:
            return isinstance(self._client.get_schema_types(), list)
        except Exception:  # noqa: BLE001 - whatever keeps it from answering
            return False

    def _away(self, error: Exception) -> LogUnavailable:
        return LogUnavailable(
            f"the schema registry at {self._shown} does not answer: {error}",
            "start it, or correct kafka.schema_registry; messages wait for it",
        )

    def _reader(self, key: int | str) -> _Known:
        asked_at = time.monotonic()
        if isinstance(key, int):
            schema = self._client.get_schema(key)
        else:
            schema = self._client.get_schema_by_guid(key)
        parts = {name: part.schema_str or "" for name, part in self._references(schema)}
        try:
            read = _reader_of(schema, parts)
        except LogUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library says of a strange schema
            read = _unusable(f"the schema {key} can't be used: {error}")
        return _Known(read, _told(schema), asked_at)

    def _references(self, schema: Schema) -> Iterator[tuple[str, Schema]]:
        """What a schema refers to, by its name there; what those refer to stands before them.
        A schema that refers to more than can be is found unusable."""
        seen: set[str] = set()

        def below(one: Schema) -> Iterator[tuple[str, Schema]]:
            for each in one.references or ():
                if each.name in seen or each.subject is None or each.version is None:
                    continue
                if len(seen) == _REFERENCES_MAX:
                    return
                seen.add(each.name or "")
                found = self._client.get_version(each.subject, each.version).schema
                yield from below(found)
                yield each.name or "", found

        yield from below(schema)


def _told(schema: Schema) -> Hashable:
    """What makes a schema the one that it is."""
    refers = ((each.name, each.subject, each.version) for each in schema.references or ())
    return (schema.schema_type or "AVRO", schema.schema_str, *refers)


def _reader_of(schema: Schema, parts: dict[str, str]) -> Read:
    text = schema.schema_str or ""
    match schema.schema_type:
        case "AVRO" | None:
            return _avro_reader(text, parts)
        case "PROTOBUF":
            return _protobuf_reader(text, parts)
        case "JSON":
            return _payload
    return _unusable(f"its schema is {schema.schema_type}, send AVRO, JSON or PROTOBUF")


def _unusable(why: str) -> Read:
    """Says so of every message: what a schema is will be the same the next time."""

    def read(source: BytesIO, value: bytes | None) -> bytes:
        del source, value
        raise Unreadable(why)

    return read


def _payload(source: BytesIO, value: bytes | None) -> bytes:
    return source.read() if value is None else value


def _avro_reader(schema: str, parts: dict[str, str]) -> Read:
    named: dict[str, Any] = {}
    for part in parts.values():
        fastavro.parse_schema(json.loads(part), named_schemas=named)
    parsed = fastavro.parse_schema(json.loads(schema), named_schemas=named)
    check_bounded(parsed, named)

    def read(source: BytesIO, value: bytes | None) -> bytes:
        payload = BytesIO(_payload(source, value))
        found = fastavro.schemaless_reader(payload, parsed, None)
        if left := payload.read():
            raise ValueError(f"{len(left)} bytes are left over")
        return _encode(found)

    return read


def _protobuf_reader(schema: str, parts: dict[str, str]) -> Read:
    pool = DescriptorPool()
    files_of = _compiled({**parts, _MAIN_FILE: schema}).file
    for file in files_of:
        pool.Add(file)
    (main,) = (file for file in files_of if file.name == _MAIN_FILE)
    package = f"{main.package}." if main.package else ""
    roots = [pool.FindMessageTypeByName(package + each.name) for each in main.message_type]

    def read(source: BytesIO, value: bytes | None) -> bytes:
        source.seek(0)
        schema_id = SchemaId("PROTOBUF")
        schema_id.from_bytes(source)
        first, *inner = schema_id.message_indexes or [0]
        kind = roots[first]
        for index in inner:
            kind = kind.nested_types[index]
        message = GetMessageClass(kind)()
        message.ParseFromString(_payload(source, value))
        return _encode(_plain(message))

    return read


def _compiled(texts: Mapping[str, str]) -> FileDescriptorSet:
    """Files of Protobuf, by their names, and what of Google's they import, by the compiler that
    comes with gRPC. Raises `ValueError` with what it says of a mistake, and `LogUnavailable` when
    it can't work now."""
    try:
        with tempfile.TemporaryDirectory(prefix="rtcdp-schema-") as directory:
            folder = Path(directory)
            _write(texts, folder)
            return _compiled_in(folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_compiler(str(error)) from error


def _write(texts: Mapping[str, str], folder: Path) -> None:
    for name, text in texts.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(f"{name} is no name of a file that is imported")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            if error.errno in _BAD_NAMES:
                raise ValueError(f"{name} is no name of a file: {error.strerror}") from error
            raise


def _compiled_in(folder: Path) -> FileDescriptorSet:
    found = folder / ".descriptors"
    done = subprocess.run(  # noqa: S603 - apart, so that no schema can end this process
        (
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{folder}", f"-I{files('grpc_tools') / '_proto'}"),
            *("--include_imports", f"--descriptor_set_out={found}", _MAIN_FILE),
        ),
        capture_output=True,
        check=False,
        text=True,
        timeout=_COMPILE_S,
    )
    # What a schema makes it do is a crash; others end it from outside.
    if done.returncode < 0 and done.returncode != -signal.SIGSEGV:
        raise _no_compiler(f"it was ended by signal {-done.returncode}")
    if done.returncode:
        raise ValueError(done.stderr.strip()[-200:])
    return FileDescriptorSet.FromString(found.read_bytes())


def _no_compiler(why: str) -> LogUnavailable:
    return LogUnavailable(
        f"the compiler of Protobuf could not work: {why}",
        "see whether memory or disk is full; messages wait for it",
    )


def _plain(message: Message) -> Any:
    """A message as its JSON has it, but with whole numbers as numbers: fields in lower camel case,
    enums by name, bytes in Base64. What is not set is not there."""
    kind = message.DESCRIPTOR
    if kind.file.package == _GOOGLE:
        is_wrapper = kind.name.endswith("Value") and "value" in kind.fields_by_name
        return message.value if is_wrapper else json_format.MessageToDict(message)
    return {field.json_name: _content(field, value) for field, value in message.ListFields()}


def _content(field: FieldDescriptor, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {str(name): _single(of, each) for name, each in value.items()}
    if field.is_repeated:
        return [_single(field, each) for each in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return value
