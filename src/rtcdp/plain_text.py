"""Text from outside, so that it can be shown: it says what it is, and steers nothing.

User ids, pages, paths, names of folders and the error texts of servers may hold control characters,
which a terminal obeys, and line breaks, with which a value forges a line of its own.
"""

import re

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line and paragraph separators, marks that turn the direction of writing, byte
order marks, and halves of characters, which can't be written."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def as_text(value: object) -> str:
    """`value` as one line of text: what would steer a terminal is written out, like `\\x1b`."""
    return _STEERING.sub(_written_out, str(value))


def as_json_text(document: str) -> str:
    """A JSON document whose strings hold nothing that steers a terminal; it means the same.

    Its own line breaks and indentation stay.
    """
    return _STEERING.sub(_escaped_in_json, document)


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escaped_in_json(found: re.Match[str]) -> str:
    character = found[0]
    return character if character == "\n" else f"\\u{ord(character):04x}"
