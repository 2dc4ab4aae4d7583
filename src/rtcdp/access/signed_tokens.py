"""JSON Web Tokens of an identity provider (RFC 7519), checked with its published keys (RFC 7517).

The algorithms are fixed, and none of them is symmetric: a token can't choose how it is checked.
Audience, issuer and end are demanded; the scopes are those in `scope` (RFC 8693, section 4.2) that
we know.
"""

import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rtcdp.access.grant import AccessRefused, Grant
from rtcdp.access.needs import SCOPES, Scope
from rtcdp.access.rules import AccessRules
from rtcdp.clock import Clock
from rtcdp.errors import PartMissing

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
CLAIMS = ("exp", "aud", "iss")

_NO_KEYS = (ValueError, AttributeError, TypeError, KeyError)
"""What PyJWT raises besides its own for JSON of another form."""

_READ_AGAIN_S = 30.0
_OLDEST_S = 600.0
_TIMEOUT_S = 5.0
_LONGEST_TOKEN = 8192


class SignedTokens:
    """Checks tokens. Keys are read when it begins; again, by a thread of its own, when a token
    names one that is not there, at most every 30 s, and when they are ten minutes old."""

    def __init__(
        self, rules: AccessRules, clock: Clock, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """Raises `PartMissing` without PyJWT, and where the keys can't be had."""
        self._rules = rules
        self._clock = clock
        self._say = say
        self._reading = threading.Lock()
        self._library = _library()
        self._keys = self._read()
        self._read_s = clock.monotonic()

    def grant(self, token: str) -> Grant:
        """What the bearer of `token` may do. Raises `AccessRefused`."""
        jwt = self._library
        if len(token) > _LONGEST_TOKEN:
            raise AccessRefused("unknown_key", "the token is too long")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = self._key(key_id)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
                audience=self._rules.jwt_audience,
                issuer=self._rules.jwt_issuer,
                options={"require": list(CLAIMS)},
            )
        except jwt.ExpiredSignatureError as error:
            raise AccessRefused("expired_key", "the token has expired") from error
        except jwt.PyJWTError as error:
            raise AccessRefused("unknown_key", f"the token is not good: {error}") from error
        return Grant(f"token of {claims.get('sub', 'nobody')}", _scopes(claims.get("scope")))

    def _key(self, key_id: Any) -> Any:
        age_s = self._clock.monotonic() - self._read_s
        found = self._keys.get(key_id)
        if age_s > (_OLDEST_S if found is not None else _READ_AGAIN_S):
            self._read_again()
        if found is None:
            raise self._library.InvalidKeyError("no key with its `kid` is published")
        return found

    def _read_again(self) -> None:
        """In a thread: a provider that doesn't answer holds nobody up."""
        self._read_s = self._clock.monotonic()
        if self._reading.acquire(blocking=False):
            threading.Thread(target=self._replace_keys, daemon=True).start()

    def _replace_keys(self) -> None:
        try:
            self._keys = self._read()
        except PartMissing as error:
            self._say(f"{error}; those that were read before go on to hold")
        finally:
            self._reading.release()

    def _read(self) -> dict[str | None, Any]:
        where = self._rules.jwks
        try:
            published = self._library.PyJWKSet.from_json(_text(where))
        except (OSError, *_NO_KEYS, self._library.PyJWTError) as error:
            raise PartMissing(
                f"the keys for tokens at {where} can't be read: {error}",
                "look at access.jwks: it names a JSON Web Key Set",
            ) from error
        return {key.key_id: key for key in published.keys if key.algorithm_name in ALGORITHMS}


def _text(where: str) -> str:
    if not where.startswith("https:"):
        return Path(where).read_text(encoding="utf-8")
    # Here, and not above: the server starts without what only remote keys need.
    httpx = importlib.import_module("httpx")
    try:
        # Redirects are not followed: one may lead to where anybody on the way can change the keys.
        answer = httpx.get(where, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error)) from error
    if answer.status_code != HTTPStatus.OK:
        raise OSError(f"it answers {answer.status_code}")
    text: str = answer.text
    return text


def _scopes(claim: Any) -> tuple[Scope, ...]:
    words = claim.split() if isinstance(claim, str) else claim
    given: set[Any] = set()
    with suppress(TypeError):
        given = set(words)
    return tuple(scope for scope in SCOPES if scope in given)


def _library() -> Any:
    try:
        return importlib.import_module("jwt")
    except ImportError as error:
        raise PartMissing(
            "access.jwks needs PyJWT, which is not installed", "pip install 'rtcdp[jwt]'"
        ) from error
