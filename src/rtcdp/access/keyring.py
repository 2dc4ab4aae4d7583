"""All keys of an installation, and which one a token is of."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from rtcdp.access.keys import Key, KeyWish, Randomness, is_token_of, key_id_in, minted
from rtcdp.errors import NotThere

SECRET_BYTES = 32
_NOBODY = Key("", "nobody", (), "0" * 64, 0)
_OWN = "rtcdp_own_"


class Keyring(msgspec.Struct, frozen=True, dict=True):
    """The keys, oldest first, and the `secret` that sessions are signed with, in hexadecimal.

    It changes by giving another one: `with_new`, `with_rotated`, `with_revoked`.
    """

    keys: tuple[Key, ...] = ()
    secret: str = ""

    @cached_property
    def by_id(self) -> dict[str, Key]:
        """The keys by their ids."""
        return {key.id: key for key in self.keys}

    @cached_property
    def own_token(self) -> str:
        """What the parts of this installation show to each other: who can read the file of keys is
        one of them."""
        return _OWN + signed(self.secret, "own parts") if self.secret else ""

    def key_of(self, token: str) -> Key | None:
        """The key that a token is of, whatever became of it; None for a token of none.

        It takes the same time for a token that is wrong from its first letter, one that is wrong in
        its last, and one of no key at all.
        """
        key = self.by_id.get(key_id_in(token) or "", _NOBODY)
        return key if is_token_of(token, key.digest) and key is not _NOBODY else None

    def is_own(self, token: str) -> bool:
        """Whether a part of this installation shows it."""
        return bool(self.own_token) and hmac.compare_digest(token.encode(), self.own_token.encode())

    def with_new(
        self, wish: KeyWish, now_ms: int, randomness: Randomness
    ) -> tuple["Keyring", "Minted"]:
        """A key more, and its token."""
        key, token = minted(wish, now_ms, randomness)
        while key.id in self.by_id:
            key, token = minted(wish, now_ms, randomness)
        secret = self.with_secret(randomness).secret
        return Keyring((*self.keys, key), secret), Minted(key, token)

    def with_secret(self, randomness: Randomness) -> "Keyring":
        """The same, with a secret."""
        return Keyring(self.keys, self.secret or randomness(SECRET_BYTES).hex())

    def with_rotated(
        self, key_id: str, now_ms: int, randomness: Randomness, grace_ms: int = 0
    ) -> tuple["Keyring", "Minted"]:
        """A key that is what that one was, which is good for `grace_ms` more. Raises `NotThere`,
        also where that one was replaced or revoked: what is left of its time is its grace, and no
        measure for another key."""
        old = self.named(key_id)
        anew = "make a new one: rtcdp keys create"
        if old.replaced_by is not None:
            is_left = self.named(old.replaced_by).revoked_ms is None
            raise NotThere(
                f"the key {key_id} was replaced by {old.replaced_by}",
                f"replace that one: rtcdp keys rotate {old.replaced_by}" if is_left else anew,
            )
        if old.revoked_ms is not None:
            raise NotThere(f"the key {key_id} was revoked", anew)
        wish = KeyWish(old.name, old.scopes, old.sources, old.origins, _later(old, now_ms))
        ring, made = self.with_new(wish, now_ms, randomness)
        ends_ms = now_ms + grace_ms
        if old.expires_ms is not None:
            ends_ms = min(ends_ms, old.expires_ms)
        gone: dict[str, Any] = {"expires_ms": ends_ms} if grace_ms else {"revoked_ms": now_ms}
        gone["replaced_by"] = made.key.id
        return ring.changed(key_id, lambda key: msgspec.structs.replace(key, **gone)), made

    def with_revoked(self, key_id: str, now_ms: int) -> "Keyring":
        """The key is good for nothing any more, and stays in the list. Raises `NotThere`."""
        self.named(key_id)
        return self.changed(
            key_id,
            lambda key: msgspec.structs.replace(key, revoked_ms=key.revoked_ms or now_ms),
        )

    def named(self, key_id: str) -> Key:
        """The key with that id. Raises `NotThere`."""
        if key_id in self.by_id:
            return self.by_id[key_id]
        inner = key_id_in(key_id)
        if inner is not None:
            # It is not shown: it may be good.
            raise NotThere("that is a whole key and no id", f"give the id in it: {inner}")
        named = [key.id for key in self.keys if key.name == key_id and key.revoked_ms is None]
        hint = f"give the id of a key with that name: {', '.join(named)}" if named else ""
        raise NotThere(f"there is no key {key_id[:100]!r}", hint or "see rtcdp keys list")

    def changed(self, key_id: str, change: Callable[[Key], Key]) -> "Keyring":
        """The same with one key changed."""
        keys = tuple(change(key) if key.id == key_id else key for key in self.keys)
        return Keyring(keys, self.secret)


@dataclass(frozen=True)
class Minted:
    """A key that was just made, and its token, which is shown once."""

    key: Key
    token: str


def signed(secret: str, text: str) -> str:
    """The HMAC-SHA256 (RFC 2104) of a text under the installation's secret, in hexadecimal."""
    return hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()


def _later(old: Key, now_ms: int) -> int | None:
    """The new key lasts as long as the old one was meant to."""
    return None if old.expires_ms is None else now_ms + (old.expires_ms - old.created_ms)
