"""What a route needs of who asks, and which scopes give it.

A route declares its need where it is declared, as `opt=READ`. One that declares none is for
administrators alone, and a test names it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from rtcdp.errors import UsageError, did_you_mean

Scope = Literal["write", "read", "admin"]
"""What a key is for: to send events, to read answers, or everything."""

Need = Literal["open", "embed", "send", "write", "read", "admin"]
"""`embed` is open, also to pages of other origins. `send` is what a key that stands in a page may
do: send events of now. `write` takes history and products as well."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
NEEDS: tuple[Need, ...] = get_args(Need)

NEED = "needs"
OPEN: Mapping[str, Any] = {NEED: "open"}
EMBED: Mapping[str, Any] = {NEED: "embed"}
SEND: Mapping[str, Any] = {NEED: "send"}
WRITE: Mapping[str, Any] = {NEED: "write"}
READ: Mapping[str, Any] = {NEED: "read"}
ADMIN: Mapping[str, Any] = {NEED: "admin"}

_GIVEN_BY: dict[Need, frozenset[Scope]] = {
    "send": frozenset({"write", "admin"}),
    "write": frozenset({"write", "admin"}),
    "read": frozenset({"read", "admin"}),
    "admin": frozenset({"admin"}),
}


def gives(scopes: Iterable[Scope], need: Need) -> bool:
    """Whether one of these scopes is enough for `need`."""
    return is_open(need) or not _GIVEN_BY[need].isdisjoint(scopes)


def is_open(need: Need) -> bool:
    """Whether nobody has to show anything for it."""
    return need in ("open", "embed")


def declared_need(options: Mapping[str, Any]) -> Need | None:
    """What a route declares among its options; None where it declares nothing."""
    need: Need | None = options.get(NEED)
    return need


def scopes_of(names: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes by their names, each once and in one order. Raises `UsageError` for another word, and
    for none."""
    given = set(names)
    for name in sorted(given - set(SCOPES)):
        raise UsageError(
            f"there is no scope {name!r}", f"{did_you_mean(name, SCOPES)}give write, read or admin"
        )
    if not given:
        raise UsageError("a key needs a scope", "give write, read or admin")
    return tuple(scope for scope in SCOPES if scope in given)
