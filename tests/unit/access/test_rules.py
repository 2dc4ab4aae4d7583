"""What goes together in the rules of access."""

from dataclasses import fields
from pathlib import Path

import pytest

from rtcdp.access.rules import FROM_ZERO, MEANINGS, AccessRules
from rtcdp.errors import UsageError


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks": "keys.json"},
        {"jwks": "keys.json", "jwt_audience": "rtcdp"},
        {"jwks": "http://login.example/keys", "jwt_audience": "rtcdp", "jwt_issuer": "login"},
        {"tls_key": Path("key.pem")},
        {"tls_certificate": Path("chain.pem")},
    ],
)
def test_what_does_not_go_together_is_refused(changes) -> None:
    with pytest.raises(UsageError) as caught:
        AccessRules(**changes)
    assert caught.value.hint


def test_each_rule_has_a_meaning() -> None:
    assert set(MEANINGS) == {f"access.{field.name}" for field in fields(AccessRules)}
    assert set(MEANINGS) >= FROM_ZERO
