"""Which parts of a recorded file were imported before.

Parts are known by their text, not by a file's name: the key of a part is a hash (BLAKE2b) of its
text, keyed by that of the part before it, and the first one by what the file is imported as. So a
file that has grown, was renamed or packed otherwise is known as far as it is the same, and an
import that was killed goes on behind the last part that is in the log.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol, runtime_checkable

import msgspec
from msgspec import NODEFAULT

from rtcdp.log.piece import Piece
from rtcdp.sources.recorded.mapping import Mapping

_KEY_BYTES = 16
_FIRST = b"rtcdp import 1"
_TORN = b"\0torn"
_BEGINNING = b"\0beginning"


class Register(Protocol):
    """Where it is known which pieces were imported."""

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """Those that follow the text which `key` names."""
        ...


@runtime_checkable
class ClaimingRegister(Register, Protocol):
    """One that several use at once, so that they have to claim what they import."""

    def claim(self, key: str) -> None:
        """Wait until nobody else imports what `key` (hex digits) names, and keep others from it
        until the file is in. Raises what the register raises, also when it takes too long."""
        ...


class PieceKeys:
    """Names the pieces of one file in its order; `name` is what the file is called.

    The first one follows what the lines are read by: the mapping, the header line, and the source
    that they are counted under.
    """

    def __init__(self, name: str, mapping: Mapping, source: str, header: bytes) -> None:
        self._name = name.encode(errors="replace").decode()
        read_by = (source, _said(mapping), header.decode(errors="backslashreplace"))
        start = msgspec.json.encode(read_by, order="sorted")
        self.key = blake2b(start, digest_size=_KEY_BYTES, key=_FIRST).hexdigest()

    def piece(self, text: bytes, *, is_torn: bool = False) -> Piece:
        """The piece that comes next, with this text, each line of which is ended by LF. One whose
        last line is torn is another one than if that were whole."""
        summed = self._summed(text)
        if is_torn:
            summed.update(_TORN)
        return Piece(self.key, summed.hexdigest(), len(text), self._name)

    def longest(self, known: Iterable[Piece], text: bytes) -> Piece | None:
        """The longest of the pieces that follow here with which `text` begins."""
        found, done, summed = None, 0, self._summed(b"")
        for piece in sorted(known, key=lambda piece: piece.byte_count):
            if piece.byte_count > len(text):
                break
            summed.update(memoryview(text)[done : piece.byte_count])
            done = piece.byte_count
            if text.endswith(b"\n", 0, done) and summed.hexdigest() == piece.key:
                found = piece
        return found

    def beginning(self, first_line: bytes) -> str:
        """Names all files that are read alike and begin with this line (before any piece of them):
        those of which one may be the other, or the beginning of it."""
        return self._summed(_BEGINNING + first_line).hexdigest()

    def go_behind(self, piece: Piece) -> None:
        """Let the next piece be that which follows this one."""
        self.key = piece.key

    def _summed(self, text: bytes) -> blake2b:
        return blake2b(text, digest_size=_KEY_BYTES, key=bytes.fromhex(self.key))


def _said(rule: object) -> object:
    """What a mapping says, without what it says by default, so that what later versions add to
    mappings makes no other one of it."""
    match rule:
        case msgspec.Struct():
            values = {name: getattr(rule, name) for name in rule.__struct_fields__}
            default = _defaults(type(rule))
            return {
                name: _said(value) for name, value in values.items() if value != default.get(name)
            }
        case dict():
            return {name: _said(value) for name, value in rule.items()}
        case tuple():
            return [_said(value) for value in rule]
        case _:
            return rule


def _defaults(kind: type[msgspec.Struct]) -> dict[str, object]:
    return {
        field.name: field.default if field.default_factory is NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(kind)
    }
