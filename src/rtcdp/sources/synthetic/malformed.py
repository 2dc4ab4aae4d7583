"""Ways to break a good line, each with the verdict that the platform must reach about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.events.event import MAX_NESTING

_USER = re.compile(rb'"userId":"[^"]*"')
_TIMESTAMP = re.compile(rb'"timestamp":"[^"]*"')


@dataclass(frozen=True)
class Malformation:
    """`break_line` turns the bytes of a good event into bytes that are rejected as `reason`."""

    name: str
    reason: DeadLetterReason
    break_line: Callable[[bytes], bytes]


def _append(line: bytes, member: bytes) -> bytes:
    return line[:-1] + b"," + member + b"}"


MALFORMATIONS = (
    Malformation("cut in half", "not_json", lambda line: line[: len(line) // 2]),
    Malformation("no JSON at all", "not_json", lambda _: b"GET /health HTTP/1.1"),
    Malformation("NaN", "not_json", lambda line: _append(line, b'"weight":NaN')),
    Malformation(
        "invalid UTF-8",
        "not_utf8",
        lambda line: line.replace(b'"userId":"', b'"userId":"\xff\xfe', 1),
    ),
    Malformation("an array", "not_an_object", lambda line: b"[" + line + b"]"),
    Malformation(
        "one field twice",
        "duplicate_key",
        lambda line: _append(line, b'"userId":"someone else"'),
    ),
    Malformation(
        "no user", "missing_field", lambda line: line.replace(b'"userId"', b'"user_id"', 1)
    ),
    Malformation(
        "a number as user", "wrong_type", lambda line: _USER.sub(b'"userId":17', line, count=1)
    ),
    Malformation(
        "a number too large", "out_of_range", lambda line: _append(line, b'"weight":1e999')
    ),
    Malformation(
        "the character U+0000",
        "invalid_character",
        lambda line: line.replace(b'"userId":"', b'"userId":"\\u0000', 1),
    ),
    Malformation(
        "a type in small letters",
        "invalid_event_type",
        lambda line: line.replace(b'"eventType":"', b'"eventType":"web ', 1),
    ),
    Malformation(
        "a time in words",
        "invalid_timestamp",
        lambda line: _TIMESTAMP.sub(b'"timestamp":"yesterday"', line, count=1),
    ),
    Malformation(
        "nested too deep",
        "too_deep",
        lambda line: _append(line, b'"trail":' + b"[" * MAX_NESTING + b"]" * MAX_NESTING),
    ),
)
