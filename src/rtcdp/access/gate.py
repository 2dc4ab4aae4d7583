"""The decision of every request: who asks, are they who they say, and may they do that now?

Where an installation has no key and takes no tokens, everybody may do everything; it listens on
loopback alone then, or on a network that is said to be trusted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rtcdp.access.audit import AuditLog
from rtcdp.access.grant import EVERYBODY, AccessRefused, Grant
from rtcdp.access.key_file import FollowedKeys, keys_path
from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import Key
from rtcdp.access.needs import Need, gives, is_open
from rtcdp.access.page_session import (
    EndedSessions,
    PageSession,
    begun,
    csrf_token_of,
    key_of_session,
    proves,
)
from rtcdp.access.rates import Rates
from rtcdp.access.rules import AccessRules
from rtcdp.access.signed_tokens import SignedTokens
from rtcdp.clock import HOUR_MS, Clock

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BURST = 2
_MAKE_KEY = "make one with rtcdp keys create, and send it: Authorization: Bearer rtcdp_…"


@dataclass(frozen=True)
class Asking:
    """What a request shows of who asks. `token` is that of its Authorization header, `page_key` one
    that stands in its address, `session` and `csrf_token` those of the page; `address` is where it
    comes from."""

    method: str
    address: str = ""
    token: str | None = None
    page_key: str | None = None
    session: str | None = None
    csrf_token: str | None = None
    origin: str | None = None


class Gate:
    """Decides, for one server. Use it from one thread."""

    def __init__(
        self,
        data_dir: Path,
        rules: AccessRules,
        clock: Clock,
        randomness: Callable[[int], bytes],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Raises `KeysDamaged`, and `PartMissing` where tokens can't be checked."""
        self.audit = AuditLog(data_dir, clock, whole_addresses=rules.whole_addresses)
        self._keys = FollowedKeys(keys_path(data_dir), clock, say)
        self._tokens = SignedTokens(rules, clock, say) if rules.jwks else None
        self._rules = rules
        self._clock = clock
        self._randomness = randomness
        self._key_rates = _rates(rules.key_requests_per_s)
        self._address_rates = _rates(rules.address_requests_per_s)
        self._ended = EndedSessions()
        self._failures = Rates(rules.failures_per_minute / 60, rules.failures_per_minute)

    @property
    def is_shut(self) -> bool:
        """Whether who asks has to show something."""
        return self._tokens is not None or bool(self._keys.now.keys)

    @property
    def is_limiting(self) -> bool:
        """Whether even who needs to show nothing is counted."""
        return self._address_rates is not None

    def admit(self, asking: Asking, need: Need) -> Grant:
        """What who asks may do, if `need` is among it. Raises `AccessRefused`."""
        if is_open(need):
            return EVERYBODY
        self._count(self._address_rates, asking.address)
        if not self.is_shut:
            return EVERYBODY
        grant = _checked(self._known(asking), asking, need)
        self._count(self._key_rates, grant.who)
        return grant

    def decide(self, asking: Asking, need: Need) -> Grant:
        """The same without counting anything. Raises `AccessRefused`."""
        if is_open(need) or not self.is_shut:
            return EVERYBODY
        return _checked(self._granted(asking), asking, need)

    def count(self, asking: Asking, grant: Grant = EVERYBODY) -> None:
        """Count a request that was decided. Raises `AccessRefused` where there are too many."""
        self._count(self._address_rates, asking.address)
        if grant is not EVERYBODY:
            self._count(self._key_rates, grant.who)

    def holds(self, asking: Asking, need: Need) -> bool:
        """Whether who was let in may go on: it is asked for what lasts, and counts nothing."""
        try:
            self.decide(asking, need)
        except AccessRefused:
            return False
        return True

    def lets_page_send(self, page_key: str, origin: str) -> bool:
        """Whether a page of that origin may send events with a key: for the browser, which asks
        before it sends."""
        key = self._keys.now.key_of(page_key)
        return key is not None and self._is_good(key) and origin in key.origins

    def begin_session(self, token: str, address: str) -> PageSession:
        """Log somebody in who shows a key that may read. Raises `AccessRefused`. Whoever asks notes
        what came of it in the audit log."""
        asking = Asking("POST", address, token=token)
        self.count(asking)
        grant = self._known(asking)
        key = self._keys.now.key_of(token)
        if key is None or not gives(grant.scopes, "read"):
            refused = AccessRefused("wrong_scope", "log in with a key that has the scope read")
            self._fail(address, refused)
            raise refused
        self._count(self._key_rates, grant.who)
        ends_ms = self._clock.now_ms() + self._rules.session_hours * HOUR_MS
        return begun(self._keys.now, key, ends_ms, self._randomness)

    def is_from_session(self, session: str | None, csrf_token: str) -> bool:
        """Whether a form was sent by the page that this session belongs to."""
        return session is not None and proves(self._keys.now, session, csrf_token)

    def logged_in(self, asking: Asking) -> tuple[str, str]:
        """Who is logged in by the session of a request, and the token of it; two empty texts where
        nobody is."""
        ring = self._keys.now
        key = self._key_of_session(ring, asking.session)
        if key is None:
            return "", ""
        return f"key {key.id} ({key.name})", csrf_token_of(ring, asking.session or "")

    def end_session(self, asking: Asking) -> str:
        """Log out who asks, and tell who that was; an empty text where nobody is logged in."""
        key = self._key_of_session(self._keys.now, asking.session)
        if key is None or asking.session is None:
            return ""
        self._ended.add(asking.session)
        return f"key {key.id}"

    def _known(self, asking: Asking) -> Grant:
        try:
            return self._granted(asking)
        except AccessRefused as refused:
            # Good keys never wait for what others at their address do.
            if refused.status == 401 and refused.code != "no_key":
                self._fail(asking.address, refused)
            raise

    def _fail(self, address: str, refused: AccessRefused) -> None:
        """Count a failure. Raises `AccessRefused` where there were too many."""
        wait_s = self._failures.wait_s(address, self._clock.monotonic())
        if wait_s > 0:
            raise AccessRefused(
                "too_many_failures", "wait, and use a key that is good", math.ceil(wait_s)
            ) from refused

    def _granted(self, asking: Asking) -> Grant:
        ring = self._keys.now
        if asking.token is not None:
            return self._of_token(ring, asking.token)
        if asking.page_key is not None:
            return self._of_page_key(ring, asking.page_key)
        key = self._key_of_session(ring, asking.session)
        if key is not None:
            _check_csrf(ring, asking)
            return _grant_of(key)
        raise AccessRefused("no_key", _MAKE_KEY)

    def _key_of_session(self, ring: Keyring, session: str | None) -> Key | None:
        """The key of a session that is good."""
        if session is None or session in self._ended:
            return None
        key = key_of_session(ring, session, self._clock.now_ms())
        return key if key is not None and self._is_good(key) else None

    def _of_token(self, ring: Keyring, token: str) -> Grant:
        key = ring.key_of(token)
        if key is not None:
            return self._good(key)
        if ring.is_own(token):
            return Grant("a part of this installation", ("write",))
        if self._tokens is not None and token.count(".") == 2:
            return self._tokens.grant(token)
        raise AccessRefused("unknown_key", _MAKE_KEY)

    def _of_page_key(self, ring: Keyring, token: str) -> Grant:
        key = ring.key_of(token)
        if key is None:
            raise AccessRefused("unknown_key", _MAKE_KEY)
        if not key.origins:
            # Addresses are written down on the way: what stands in one has to be harmless.
            raise AccessRefused(
                "wrong_scope",
                "send it as Authorization: Bearer; only keys made with --origin go into addresses",
            )
        return self._good(key)

    def _good(self, key: Key) -> Grant:
        state = key.state(self._clock.now_ms())
        if state == "expired":
            raise AccessRefused("expired_key", f"make a new one: rtcdp keys rotate {key.id}")
        if state == "revoked":
            raise AccessRefused("revoked_key", "make a new one: rtcdp keys create")
        return _grant_of(key)

    def _is_good(self, key: Key) -> bool:
        return key.state(self._clock.now_ms()) == "active"

    def _count(self, rates: Rates | None, who: str) -> None:
        if rates is None:
            return
        wait_s = rates.wait_s(who, self._clock.monotonic())
        if wait_s > 0:
            raise AccessRefused("too_many_requests", "ask less often", math.ceil(wait_s))


def _rates(per_s: int) -> Rates | None:
    return Rates(per_s, _BURST * per_s) if per_s else None


def _grant_of(key: Key) -> Grant:
    return Grant(f"key {key.id}", key.scopes, key.sources, key.origins)


def _checked(grant: Grant, asking: Asking, need: Need) -> Grant:
    """What is granted, if `need` is among it."""
    if not gives(grant.scopes, need):
        raise AccessRefused("wrong_scope", f"use one with the scope {_scope_for(need)}")
    if grant.origins:
        _check_page(grant, asking, need)
    return grant


def _check_page(grant: Grant, asking: Asking, need: Need) -> None:
    if need != "send":
        raise AccessRefused(
            "wrong_scope", "a key that is bound to origins sends events to /v1/events alone"
        )
    if asking.origin not in grant.origins:
        raise AccessRefused("foreign_origin", "make one for it: rtcdp keys create --origin …")


def _check_csrf(ring: Keyring, asking: Asking) -> None:
    if asking.method in SAFE_METHODS:
        return
    if not proves(ring, asking.session or "", asking.csrf_token or ""):
        raise AccessRefused(
            "no_csrf_token", "send the value of the cookie rtcdp_csrf as the header X-CSRF-Token"
        )


def _scope_for(need: Need) -> str:
    return {"send": "write", "write": "write", "read": "read"}.get(need, "admin")
