"""What somebody may do, and why somebody may not."""

from dataclasses import dataclass
from typing import Literal

from rtcdp.access.needs import Scope
from rtcdp.errors import RtcdpError

RefusalCode = Literal[
    "no_key",
    "unknown_key",
    "expired_key",
    "revoked_key",
    "wrong_scope",
    "foreign_origin",
    "foreign_source",
    "no_csrf_token",
    "repeated_key",
    "too_many_requests",
    "too_many_failures",
]

REFUSALS: dict[RefusalCode, tuple[int, str]] = {
    "no_key": (401, "this needs a key"),
    "unknown_key": (401, "the key is not known"),
    "expired_key": (401, "the key has expired"),
    "revoked_key": (401, "the key was revoked"),
    "wrong_scope": (403, "the key is not for this"),
    "foreign_origin": (403, "the key is not for pages of this origin"),
    "foreign_source": (403, "the key is not for this source"),
    "no_csrf_token": (403, "the request shows no token of its session"),
    "repeated_key": (400, "the query has a key more than once"),
    "too_many_requests": (429, "there are too many requests"),
    "too_many_failures": (429, "there were too many requests with wrong keys"),
}
"""The status of each refusal, and what happened in words."""


class AccessRefused(RtcdpError):
    """Somebody is not let do what they asked for; `hint` says what to do."""

    def __init__(self, code: RefusalCode, hint: str, retry_after_s: int | None = None) -> None:
        self.status, what = REFUSALS[code]
        super().__init__(what, hint)
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Grant:
    """`who` asks, as the audit log calls them, and what they may do: `scopes`; as which `sources`
    and from pages of which `origins`, where they are bound to some."""

    who: str
    scopes: tuple[Scope, ...]
    sources: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


EVERYBODY = Grant("everybody", ("admin",))
"""Where there are no keys."""
