"""CloudEvents as events: the structured, the batch and the binary mode.

An event is what `data` holds. What it lacks comes from the attributes around it: `eventId` from
`source` and `id`, which together tell a CloudEvent from all others; `timestamp` from `time`;
`eventType` from the last word of `type`, `com.shop.page-view` or `shop.pageView.v2` being a
PAGE_VIEW; `userId` from `subject`. Members that `data` has, null or not, are never touched.

Source: CloudEvents 1.0.2, with its JSON format and its HTTP protocol binding.
"""

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Raw, UnsetType

from rtcdp.events.codec import unmapped_line

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
CLOUD_EVENT_TYPES: Final = frozenset({STRUCTURED, BATCH})
ATTRIBUTE_HEADERS: Final = {
    b"ce-specversion": "specversion",
    b"ce-id": "id",
    b"ce-source": "source",
    b"ce-type": "type",
    b"ce-time": "time",
    b"ce-subject": "subject",
}
"""The headers of the binary mode that matter here, and the attribute that each of them is."""

_MAX_ID_LENGTH = 100
_VERSION_OF_TYPE = re.compile(r"\.v\d+$", re.IGNORECASE)
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_OBJECT = "send the event as a JSON object in data, or no data at all"

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Attributes(msgspec.Struct, frozen=True):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Text
    time: str | None = None
    subject: str | None = None


class _CloudEvent(_Attributes, frozen=True):
    datacontenttype: str | None = None
    data: Raw | UnsetType = UNSET
    data_base64: str | None = None


class _Given(msgspec.Struct, frozen=True, rename="camel"):
    """What an event says itself of the fields that attributes may give."""

    event_id: Raw | UnsetType = UNSET
    user_id: Raw | UnsetType = UNSET
    timestamp: Raw | UnsetType = UNSET
    event_type: Raw | UnsetType = UNSET


class _Unfit(Exception):
    """Why no event can be made of a CloudEvent."""


_decode_cloud_event = msgspec.json.Decoder(_CloudEvent).decode
_decode_given = msgspec.json.Decoder(_Given).decode
_encode = msgspec.json.Encoder().encode


def event_line(record: bytes) -> bytes:
    """The event in a CloudEvent, as the JSON text of one object, still to be judged.

    `record` is the JSON text of a CloudEvent. Of one that holds no event the line says why
    (`rtcdp.events.codec.unmapped_line`).
    """
    try:
        cloud_event = _decode_cloud_event(record)
        return _line(cloud_event, cloud_event.datacontenttype, _data_of(cloud_event))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return unmapped_line(f"send a CloudEvent 1.0: {error}", record)
    except _Unfit as why:
        return unmapped_line(str(why), record)


def event_line_of_headers(headers: Mapping[bytes, bytes], media_type: str, body: bytes) -> bytes:
    """The same of a CloudEvent whose attributes are headers, and whose data is the body.

    `headers` are those of `ATTRIBUTE_HEADERS` that came, in lower case; others are ignored.
    """
    texts = {
        attribute: unquote(headers[name].decode("latin-1"))
        for name, attribute in ATTRIBUTE_HEADERS.items()
        if name in headers
    }
    return event_line_of_attributes(texts, media_type, body)


def event_line_of_attributes(texts: Mapping[str, str], media_type: str, body: bytes) -> bytes:
    """The same of a CloudEvent with these attributes around it, by their names."""
    try:
        return _line(msgspec.convert(dict(texts), _Attributes), media_type, body.strip())
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return unmapped_line(f"send the headers and the JSON of a CloudEvent 1.0: {error}", body)
    except _Unfit as why:
        return unmapped_line(str(why), body)


def _data_of(cloud_event: _CloudEvent) -> bytes:
    if cloud_event.data_base64 is None:
        return b"" if cloud_event.data is UNSET else bytes(cloud_event.data)
    if cloud_event.data is not UNSET:
        raise _Unfit("send data or data_base64, not both")
    try:
        return b64decode(cloud_event.data_base64, validate=True).strip()
    except (binascii.Error, ValueError) as error:
        raise _Unfit(f"data_base64 is not Base64: {error}") from error


def _line(attributes: _Attributes, media_type: str | None, data: bytes) -> bytes:
    if data in (b"", b"null"):
        data = b"{}"
    elif not _is_json(media_type):
        raise _Unfit(f"send data as JSON, and not as {media_type}")
    if not data.startswith(b"{"):
        raise _Unfit(_NO_OBJECT)
    given = _decode_given(data)
    lacking = {
        "eventId": _event_id(attributes) if given.event_id is UNSET else None,
        "userId": attributes.subject if given.user_id is UNSET else None,
        "timestamp": attributes.time if given.timestamp is UNSET else None,
        "eventType": _event_type(attributes.type) if given.event_type is UNSET else None,
    }
    added = _encode({name: text for name, text in lacking.items() if text is not None})
    # The bytes of the data stay as they came: the strict rule has to see them.
    rest = data[1:].lstrip()
    separator = b"" if added == b"{}" or rest.startswith(b"}") else b","
    return added[:-1] + separator + rest


def _is_json(media_type: str | None) -> bool:
    essence = (media_type or "application/json").partition(";")[0].strip().lower()
    return essence.endswith(("/json", "+json"))


def _event_id(attributes: _Attributes) -> str:
    # A source is a URI reference and has no space, so no two pairs give the same id.
    together = f"{attributes.source.replace(' ', '%20')} {attributes.id}"
    if len(together) <= _MAX_ID_LENGTH:
        return together
    return hashlib.sha256(together.encode("utf-8", "surrogatepass")).hexdigest()


def _event_type(cloud_type: str) -> str:
    last = _VERSION_OF_TYPE.sub("", cloud_type).rpartition(".")[2]
    return _NEXT_WORD.sub("_", last).replace("-", "_").upper()
