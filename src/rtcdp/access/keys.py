"""API keys: what is kept of one, and the token that is shown once.

A token is `rtcdp_w_1f2e3d4c_…`: its scopes, the name that the key goes by, and 192 bits that nobody
can guess. What is kept is a BLAKE2b digest of it (RFC 7693): nothing slower is needed for what was
not made up by people.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from rtcdp.access.needs import Scope
from rtcdp.errors import UsageError

Randomness = Callable[[int], bytes]
"""So many random bytes, as `secrets.token_bytes` gives them."""

KeyState = str
"""active, expired or revoked."""

_ID_BYTES, _SECRET_BYTES = 4, 24
_TOKEN = re.compile(r"rtcdp_[wra]{1,3}_([0-9a-f]{8})_[0-9a-f]{48}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_DIGEST_BYTES = 32


class Key(msgspec.Struct, frozen=True):
    """What is kept of a key. `id` stands in its token, `digest` is the token's in hexadecimal.

    With `sources` it sends as those alone, with `origins` from pages of those alone; such a key can
    be read in their source, so that it may send events of now and nothing else. `replaced_by` is
    the id of the key that came in its place. Times are UTC ms.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    created_ms: int
    sources: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    expires_ms: int | None = None
    revoked_ms: int | None = None
    replaced_by: str | None = None

    def state(self, now_ms: int) -> KeyState:
        """Whether it is active now, expired, or revoked."""
        if self.revoked_ms is not None:
            return "revoked"
        is_over = self.expires_ms is not None and now_ms >= self.expires_ms
        return "expired" if is_over else "active"


@dataclass(frozen=True)
class KeyWish:
    """What a new key is to be. Raises `UsageError` for what can't be."""

    name: str
    scopes: tuple[Scope, ...]
    sources: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    expires_ms: int | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(
                f"a key can't be called {self.name[:100]!r}", "give it a name on one line"
            )
        if (self.origins or self.sources) and self.scopes != ("write",):
            raise UsageError(
                "only a key that just writes is bound to sources and origins",
                "take --source and --origin away, or give --scope write alone",
            )


def minted(wish: KeyWish, now_ms: int, randomness: Randomness) -> tuple[Key, str]:
    """A new key, and its token, which is not to be had again."""
    key_id, secret = randomness(_ID_BYTES).hex(), randomness(_SECRET_BYTES).hex()
    letters = "".join(scope[0] for scope in wish.scopes)
    token = f"rtcdp_{letters}_{key_id}_{secret}"
    key = Key(
        id=key_id,
        name=wish.name,
        scopes=wish.scopes,
        digest=digest_of(token),
        created_ms=now_ms,
        sources=wish.sources,
        origins=wish.origins,
        expires_ms=wish.expires_ms,
    )
    return key, token


def digest_of(token: str) -> str:
    """What is kept of a token, in hexadecimal."""
    return blake2b(token.encode(), digest_size=_DIGEST_BYTES, person=b"rtcdp key").hexdigest()


def key_id_in(token: str) -> str | None:
    """The id of the key that a token says it is of; None for what is no token of ours."""
    found = _TOKEN.fullmatch(token)
    return found.group(1) if found else None


def is_token_of(token: str, digest: str) -> bool:
    """Whether this is the token with that digest, in a time that doesn't tell how near it is."""
    return hmac.compare_digest(digest_of(token), digest)
