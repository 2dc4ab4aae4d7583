"""Pieces of recorded files, which are imported once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A part of a recorded file, which is imported once: all of it or nothing.

    `key` names all text of the file up to its end, and `after` all text before it (both are hex
    digits); it is `byte_count` long. `name` is what the file was called.
    """

    after: str
    key: str
    byte_count: int
    name: str = ""
