"""Sessions of the page: a signed value for a cookie, and the token that its requests show.

Who has a key that is good gets a value that names the key and when it ends, signed with the
installation's secret; the key is looked up again at each request, so that a session ends with its
key. Nothing is kept on the server but which sessions were ended before their time.
"""

import hmac
from collections import OrderedDict
from dataclasses import dataclass

from rtcdp.access.keyring import Keyring, signed
from rtcdp.access.keys import Key, Randomness

COOKIE = "rtcdp_session"
CSRF_COOKIE = "rtcdp_csrf"
CSRF_HEADER = "X-CSRF-Token"

_NONCE_BYTES = 8
_PARTS = 4
_LONGEST = 300

MAX_ENDED = 10_000
"""Of so many sessions that were ended it is remembered, of the last ones."""


@dataclass(frozen=True)
class PageSession:
    """The value of the cookie, the token that proves that a request was made by our page, and the
    id of the key that it began with."""

    value: str
    csrf_token: str
    key_id: str


class EndedSessions:
    """Sessions that somebody has logged out of, in bounded memory. They are forgotten when the
    server ends."""

    def __init__(self, max_known: int = MAX_ENDED) -> None:
        self._max_known = max_known
        self._values: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, value: object) -> bool:
        return value in self._values

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: str) -> None:
        """End a session. It has to be one of ours: of others any number could be made up."""
        self._values[value] = None
        if len(self._values) > self._max_known:
            self._values.popitem(last=False)


def begun(ring: Keyring, key: Key, ends_ms: int, randomness: Randomness) -> PageSession:
    """A session of who has `key`, until `ends_ms` (UTC ms)."""
    text = f"{key.id}.{ends_ms}.{randomness(_NONCE_BYTES).hex()}"
    value = f"{text}.{signed(ring.secret, f'session {text}')}"
    return PageSession(value, csrf_token_of(ring, value), key.id)


def csrf_token_of(ring: Keyring, value: str) -> str:
    """The token that belongs to a session."""
    return signed(ring.secret, f"csrf {value}")


def key_of_session(ring: Keyring, value: str, now_ms: int) -> Key | None:
    """The key of who is logged in by this value; None where it is forged, over, or of no key."""
    parts = value.split(".")
    if not ring.secret or len(parts) != _PARTS or len(value) > _LONGEST or not value.isascii():
        return None
    text, _, mark = value.rpartition(".")
    if not hmac.compare_digest(mark, signed(ring.secret, f"session {text}")):
        return None
    return ring.by_id.get(parts[0]) if now_ms < int(parts[1]) else None


def proves(ring: Keyring, value: str, csrf_token: str) -> bool:
    """Whether a token belongs to the session."""
    return hmac.compare_digest(csrf_token.encode(), csrf_token_of(ring, value).encode())
