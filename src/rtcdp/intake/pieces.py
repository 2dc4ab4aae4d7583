"""Pieces of recorded files, as requests name them: in the header `Rtcdp-Piece`.

`after=KEY; key=KEY; bytes=N; name=NAME` says that the body is that piece, to be taken in once;
`after=KEY` alone, with an empty body, asks which pieces are known that follow there.
"""

import re
from urllib.parse import unquote

import msgspec

from rtcdp.intake.problem import RequestRefused
from rtcdp.log.piece import MAX_PIECE_BYTES, Piece

HEADER = b"rtcdp-piece"

_KEY = "[0-9a-f]{32}"
_NAMED = re.compile(
    rf"after=(?P<after>{_KEY})(?:; key=(?P<key>{_KEY}); bytes=(?P<bytes>\d{{1,15}})"
    r"(?:; name=(?P<name>[\w.%~-]{1,900}))?)?",
    re.ASCII,
)


class KnownPiece(msgspec.Struct, frozen=True):
    """A piece that is in the log: its key, and how many bytes of the file it is."""

    key: str
    bytes: int


class KnownPieces(msgspec.Struct, frozen=True):
    """The pieces that follow the text which `after` names."""

    after: str
    pieces: tuple[KnownPiece, ...]


def piece_named(header: bytes) -> Piece:
    """The piece that a header names; one without a key where it only asks what follows.

    Raises `RequestRefused` (400) for another text.
    """
    found = _NAMED.fullmatch(header.decode("latin-1").strip())
    if found is None or int(found["bytes"] or 0) > MAX_PIECE_BYTES:
        raise RequestRefused(
            "bad_piece",
            "name it like after=KEY; key=KEY; bytes=N, with keys of 32 hex digits and at most "
            f"{MAX_PIECE_BYTES} bytes",
        )
    name = unquote(found["name"] or "")
    return Piece(found["after"], found["key"] or "", int(found["bytes"] or 0), name)
