"""Which scopes give what a route needs."""

import pytest

from rtcdp.access.needs import NEEDS, OPEN, READ, SCOPES, declared_need, gives, scopes_of
from rtcdp.errors import UsageError


def test_the_matrix_of_scopes_and_needs() -> None:
    given = {scope: [need for need in NEEDS if gives([scope], need)] for scope in SCOPES}
    assert given == {
        "write": ["open", "embed", "send", "write"],
        "read": ["open", "embed", "read"],
        "admin": ["open", "embed", "send", "write", "read", "admin"],
    }
    assert [need for need in NEEDS if gives([], need)] == ["open", "embed"]


def test_a_route_says_what_it_needs_or_nothing() -> None:
    assert declared_need(READ) == "read"
    assert declared_need(OPEN) == "open"
    assert declared_need({"another": "option"}) is None


def test_scopes_are_named_once_and_in_one_order() -> None:
    assert scopes_of(["read", "write", "read"]) == ("write", "read")
    with pytest.raises(UsageError, match="'wirte'") as caught:
        scopes_of(["wirte"])
    assert "did you mean write" in caught.value.hint
    with pytest.raises(UsageError, match="needs a scope"):
        scopes_of([])
