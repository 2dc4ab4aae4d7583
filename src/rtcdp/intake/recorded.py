"""Recorded files as requests bring them: what is asked, and what is answered."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import TYPE_CHECKING, Protocol

import msgspec

from rtcdp.intake.collector import IntakeAnswer
from rtcdp.intake.problem import RequestRefused

if TYPE_CHECKING:
    from litestar.types import Receive

DIGEST, DISPOSITION = b"content-digest", b"content-disposition"

DEFAULT_NAME = "import"
"""What a file is called that says no name."""

_DIGESTS = {"sha-256": "sha256", "sha-512": "sha512"}
_DIGEST = re.compile(r"\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]{1,200}):\s*", re.ASCII)
_PATH_SEPARATORS = re.compile(r"[/\\]")


class Digest(msgspec.Struct, frozen=True):
    """What the bytes of a body are said to be: the digest by an `algorithm` of `hashlib`."""

    algorithm: str
    value: bytes

    def is_of(self, summed: "hashlib._Hash") -> bool:
        """Whether that is what was summed up."""
        return summed.digest() == self.value


class SentFile(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded file that a request brings: the `source` that its events are counted under, the
    `mapping` by which its lines are read, its `name`, and the content `encoding` of the body.

    Its `head` has been read already; the rest is what `receive` gives, if there is more.
    """

    source: str
    mapping: str = "events"
    name: str = DEFAULT_NAME
    encoding: str = ""
    digest: Digest | None = None
    length: int | None = None
    head: Sequence[bytes] = ()


class FileAnswer(IntakeAnswer, frozen=True):
    """What became of a recorded file. `known` lines were imported before, and are none of the
    others; `blank` ones say nothing. The places of rejected events count those that are known."""

    known: int = 0
    blank: int = 0


class FileDoor(Protocol):
    """Takes recorded files in, of any size."""

    async def take(self, file: SentFile, receive: "Receive | None") -> FileAnswer:
        """Take the file in while it arrives; returns when all of it is durable.

        Raises `RequestRefused`. Its hint says what was taken in before, if anything was: that is
        known when the file is sent again.
        """
        ...


def digest_of(header: bytes) -> Digest | None:
    """The digest that a Content-Digest header states (RFC 9530); None where it states none by an
    algorithm that is known here. Raises `RequestRefused` (400) for what is no such header."""
    found: dict[str, bytes] = {}
    for part in header.decode("latin-1").split(","):
        stated = _DIGEST.fullmatch(part)
        if stated is None:
            raise _bad_digest()
        try:
            found[stated[1]] = base64.b64decode(stated[2], validate=True)
        except binascii.Error:
            raise _bad_digest() from None
    known = [Digest(_DIGESTS[name], value) for name, value in found.items() if name in _DIGESTS]
    return known[0] if known else None


def name_of(given: str | None, headers: Mapping[bytes, bytes]) -> str:
    """What a file is called: the name that is `given`, else that of Content-Disposition (RFC 6266);
    without the folders in front of it."""
    name = given
    if name is None and DISPOSITION in headers:
        message = Message()
        message["Content-Disposition"] = headers[DISPOSITION].decode("latin-1")
        name = message.get_filename()
    last = _PATH_SEPARATORS.split(name or "")[-1]
    return "".join(each for each in last if each.isprintable()).strip() or DEFAULT_NAME


def _bad_digest() -> RequestRefused:
    return RequestRefused(
        "bad_digest", "send it like Content-Digest: sha-256=:BASE64:, or leave it out"
    )
