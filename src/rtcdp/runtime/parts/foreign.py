"""Messages of producers that write otherwise than we do: CloudEvents, Confluent's wire format."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from rtcdp.errors import UsageError
from rtcdp.events.codec import unmapped_line
from rtcdp.intake.cloud_events import (
    ATTRIBUTE_HEADERS,
    STRUCTURED,
    event_line,
    event_line_of_attributes,
)
from rtcdp.log.envelope import header_runs
from rtcdp.log.limits import Headers, KafkaTopicSettings, Translation
from rtcdp.runtime.deferred import deferred

SCHEMA_HEADER = "__value_schema_id"
"""Where Confluent's clients put the GUID of the value's schema."""

CONTENT_TYPE = "content-type"
_ATTRIBUTES = {f"ce_{name}": name for name in ATTRIBUTE_HEADERS.values()}
_VERSION = "ce_specversion"
_TELLING = frozenset({SCHEMA_HEADER, CONTENT_TYPE, _VERSION})
_FRAMES = frozenset({b"\0", b"\1"})
"""What no JSON begins with."""

_CLOUD = b"cloudevents"
_JSON = "application/json"
_EVENTS = "events"

LineOf = Callable[[bytes], bytes]
"""From the JSON of a message to the line of an event, still to be judged."""


def translation_of(settings: KafkaTopicSettings) -> Translation:
    """How the messages of a topic become lines.

    Raises `PartMissing`, and `UsageError` where the registry's URL is none, or the mapping is none
    for JSON, or for nothing.
    """
    if settings.schema_registry:
        _require_url(settings.schema_registry)
    mapping = None
    if settings.schema_mapping != _EVENTS:
        if not settings.schema_registry:
            raise UsageError(
                f"kafka.schema_mapping is {settings.schema_mapping}, for messages of a registry",
                "set kafka.schema_registry to its URL as well",
            )
        mapping = deferred("rtcdp.sources.recorded.mapping:load_mapping")(settings.schema_mapping)
        if mapping.format not in ("ndjson", _EVENTS):
            raise UsageError(
                f"kafka.schema_mapping is {settings.schema_mapping}, for {mapping.format}",
                'name a mapping with format = "ndjson": messages have fields, as its lines have',
            )
    return ForeignMessages(settings.schema_registry, mapping)


def _require_url(registry: str) -> None:
    for url in registry.split(","):
        if not url.strip().startswith(("http://", "https://")):
            raise UsageError(
                f"kafka.schema_registry is no URL: {url.rpartition('@')[2]}",
                "begin it with http:// or https://",
            )


def registry_kinds(settings: KafkaTopicSettings) -> Sequence[str]:
    """The kinds of schemas that the registry of a topic knows, asked now; none where there is none.

    Raises `PartMissing`, `UsageError` where its URL is none, and `LogUnavailable`.
    """
    if not settings.schema_registry:
        return ()
    _require_url(settings.schema_registry)
    found: Sequence[str] = _reader_of(settings.schema_registry).kinds()
    return found


@dataclass(frozen=True)
class _Foreign:
    """Where a message stands among others, and the headers that tell what it is."""

    place: int
    headers: dict[str, bytes]


class ForeignMessages:
    """A `Translation`: CloudEvents in their structured and their binary mode, and what is written
    by schemas of the registry at a URL, if there is one, by a mapping for NDJSON (None: its
    messages have the fields of events).

    Processes of Spark make their own of the same.
    """

    def __init__(self, registry: str, mapping: Any = None) -> None:
        self._registry = registry
        self._mapping = mapping

    def __reduce__(self) -> tuple[type["ForeignMessages"], tuple[str, Any]]:
        return ForeignMessages, (self._registry, self._mapping)

    def __call__(
        self, values: Sequence[bytes | None], headers: Sequence[Headers | None] | None
    ) -> Sequence[bytes | None]:
        foreign = [*self._foreign(values, headers)]
        if not foreign:
            return values
        lines = list(values)
        for each in foreign:
            value = lines[each.place]
            if value is not None:
                lines[each.place] = self._line(value, each.headers)
        return lines

    def _foreign(
        self, values: Sequence[bytes | None], headers: Sequence[Headers | None] | None
    ) -> Iterator[_Foreign]:
        framed: set[int] = set()
        if self._registry:
            starts = [value[:1] if value else b"" for value in values]
            if not _FRAMES.isdisjoint(starts):
                framed = {place for place, start in enumerate(starts) if start in _FRAMES}
        if headers is not None:
            for start, stop, pairs in header_runs(headers):
                told = _told(tuple(pairs)) if pairs else None
                for place in range(start, stop) if told else ():
                    framed.discard(place)
                    yield _Foreign(place, told or {})
        yield from (_Foreign(place, {}) for place in framed)

    def _line(self, value: bytes, headers: dict[str, bytes]) -> bytes:
        media_type = headers.get(CONTENT_TYPE, b"").decode(errors="replace").lower()
        body, is_of_schema = value, False
        if self._registry and (SCHEMA_HEADER in headers or value[:1] in _FRAMES):
            try:
                body = self._schemas.json_of(value, headers.get(SCHEMA_HEADER))
            except self._unreadable as why:
                return unmapped_line(f"{why}; these are its bytes as Base64", b64encode(value))
            is_of_schema, media_type = True, _JSON
        if _VERSION in headers:
            texts = {
                attribute: headers[name].decode(errors="replace")
                for name, attribute in _ATTRIBUTES.items()
                if name in headers
            }
            return event_line_of_attributes(texts, media_type or _JSON, body)
        if media_type.partition(";")[0].strip() == STRUCTURED:
            return event_line(body)
        return self._line_of(body) if is_of_schema else body

    @cached_property
    def _schemas(self) -> Any:
        return _reader_of(self._registry)

    @cached_property
    def _unreadable(self) -> type[Exception]:
        found: type[Exception] = deferred("rtcdp.log.kafka.schemas:Unreadable")
        return found

    @cached_property
    def _line_of(self) -> LineOf:
        if self._mapping is None:
            return bytes
        made: LineOf = deferred("rtcdp.sources.recorded.mapped_message:message_mapper")(
            self._mapping
        )
        return made


def _told(pairs: tuple[tuple[str, bytes | None], ...]) -> dict[str, bytes] | None:
    """Headers by name, where they tell of a producer of another kind."""
    told = {name: value for name, value in pairs if name in _TELLING and value is not None}
    if not told or (told.keys() == {CONTENT_TYPE} and _CLOUD not in told[CONTENT_TYPE].lower()):
        return None
    return {name: value for name, value in pairs if value is not None}


@lru_cache(maxsize=4)
def _reader_of(registry: str) -> Any:
    """One for a process, with the schemas that it has fetched."""
    return deferred("rtcdp.log.kafka.schemas:SchemaReader")(registry)
