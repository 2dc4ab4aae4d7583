"""What it takes to feed a dead letter in again: as it came, or mended, and counted once however
often it is tried."""

import re

import msgspec

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.steps import FUTURE_MESSAGE, ahead_of_clock, position_id
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import Delivery

_ID_BYTES_MAX = 400
_EVENT_ID = re.compile(rb'"eventId"\s*:\s*"([^"\\\x00-\x1f]{1,%d})"' % _ID_BYTES_MAX)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
"""A text, which may be cut off, or a bracket."""


def still_dead(raw: bytes, now_ms: int, rules: AdmissionRules) -> Rejection | None:
    """Why a record would be a dead letter again if it came in now; None where it would not."""
    event = decode(raw)
    if isinstance(event, Rejection):
        return event
    if ahead_of_clock(event.timestamp_ms, now_ms, rules) > 0:
        return Rejection("future", "clock", FUTURE_MESSAGE)
    return None


def replay_of(partition: int, offset: int, source: str, raw: bytes, now_ms: int) -> Delivery:
    """A record that takes the place of the dead letter at a place of the log, taken in now. It is
    marked as imported, because its event may be old by now: it is never late. Where it has no event
    id of its own, that place is it."""
    return Delivery(
        lines=b"",
        line_count=0,
        received_at=now_ms,
        source=source,
        intake="import",
        rejects=((0, raw),),
        replay_of=position_id(partition, offset),
    )


def event_id_in(raw: bytes) -> str | None:
    """The event id that a dead letter came with, as far as one can be read in it. What is sent in
    its place has to have the same one, or none where there is none: so it is the same event however
    often, and by whomever, the letter is mended."""
    try:
        sent = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        text = _event_id_scanned(raw)
    else:
        text = sent.get("eventId") if isinstance(sent, dict) else None
    return text if isinstance(text, str) and _is_id(text) else None


def _event_id_scanned(raw: bytes) -> str | None:
    """The event id in what can't be parsed: that of the outermost object, not of its properties."""
    depth = 0
    for token in _TOKEN.finditer(raw):
        if token[0] in b"{[":
            depth += 1
        elif token[0] in b"]}":
            depth -= 1
        elif depth == 1 and (found := _EVENT_ID.match(raw, token.start())):
            try:
                return found[1].decode()
            except UnicodeDecodeError:
                return None
    return None


def _is_id(text: str) -> bool:
    """Whether an event may have it."""
    event = {"eventId": text, "userId": "u", "eventType": "E", "timestamp": 0}
    return not isinstance(decode(msgspec.json.encode(event)), Rejection)
