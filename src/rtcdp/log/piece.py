"""Pieces of recorded files, which are imported once."""

from dataclasses import dataclass

MAX_PIECE_BYTES = 16 * 2**20
"""No piece is longer: whoever looks for it again reads as much at once."""


@dataclass(frozen=True)
class Piece:
    """A part of a recorded file, which is imported once: all of it or nothing.

    `key` names all text of the file up to its end, and `after` all text before it (both are hex
    digits); it is `byte_count` long, at most `MAX_PIECE_BYTES`. `name` is what the file was called.
    """

    after: str
    key: str
    byte_count: int
    name: str = ""
