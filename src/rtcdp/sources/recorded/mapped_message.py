"""A message that holds JSON, as the line of an event that a mapping makes of it."""

from collections.abc import Callable

import msgspec

from rtcdp.events.codec import unmapped_line
from rtcdp.sources.recorded.line_mapper import line_mapper
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.unmapped import Unmapped
from rtcdp.sources.recorded.wire_time import wire_timestamp

_encode = msgspec.json.Encoder().encode


def message_mapper(mapping: Mapping) -> Callable[[bytes], bytes]:
    """From the JSON text of an object to the line of an event, still to be judged; or to one that
    says why there is none in it. Without a rule for its id the event has none."""
    mapped = line_mapper(mapping)

    def line_of(message: bytes) -> bytes:
        event = mapped(message)
        if isinstance(event, Unmapped):
            return unmapped_line(str(event), message)
        try:
            return _encode({**event.members, "timestamp": wire_timestamp(event.timestamp_ms)})
        except UnicodeEncodeError:
            return unmapped_line("it holds a text that is no Unicode", message)

    return line_of
