"""Which parts of a recorded file were imported before.

Parts are known by their text, not by a file's name: the key of a part is a hash (BLAKE2b) of its
text, keyed by that of the part before it, and the first one by what the file is imported as. So a
file that has grown, was renamed or packed otherwise is known as far as it is the same, and an
import that was killed goes on behind the last part that is in the log.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from rtcdp.log.piece import Piece
from rtcdp.sources.recorded.mapping import Mapping

_KEY_BYTES = 16
_FIRST = b"rtcdp import 1"


class Register(Protocol):
    """Where it is known which pieces were imported."""

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """Those that follow the text which `key` names."""
        ...


class PieceKeys:
    """Names the pieces of one file in its order; `name` is what the file is called.

    The first one follows what the lines are read by: the mapping, the header line, and the source
    that they are counted under.
    """

    def __init__(self, name: str, mapping: Mapping, source: str, header: bytes) -> None:
        self._name = name
        start = msgspec.json.encode((source, mapping, header.decode(errors="backslashreplace")))
        self.key = blake2b(start, digest_size=_KEY_BYTES, key=_FIRST).hexdigest()

    def piece(self, text: bytes) -> Piece:
        """The piece that comes next, with this text, each line of which is ended by LF."""
        key = blake2b(text, digest_size=_KEY_BYTES, key=bytes.fromhex(self.key)).hexdigest()
        return Piece(self.key, key, len(text), self._name)

    def go_behind(self, piece: Piece) -> None:
        """Let the next piece be that which follows this one."""
        self.key = piece.key
