"""One key: its token, and what is kept of it."""

import secrets

import msgspec
import pytest

from rtcdp.access.keys import KeyWish, digest_of, is_token_of, key_id_in, minted
from rtcdp.errors import UsageError

DAY_MS = 86_400_000


def test_a_token_names_its_scopes_and_its_key_and_is_not_kept() -> None:
    key, token = minted(KeyWish("shop", ("write", "read")), 7, secrets.token_bytes)
    assert token.startswith(f"rtcdp_wr_{key.id}_")
    assert key_id_in(token) == key.id
    assert key.digest == digest_of(token)
    assert token.rpartition("_")[2] not in msgspec.json.encode(key).decode()
    assert key.created_ms == 7


def test_a_token_is_known_by_all_of_its_letters() -> None:
    key, token = minted(KeyWish("shop", ("write",)), 0, secrets.token_bytes)
    assert is_token_of(token, key.digest)
    for place in range(len(token)):
        other = "0" if token[place] != "0" else "1"
        assert not is_token_of(token[:place] + other + token[place + 1 :], key.digest)
    assert not is_token_of(token + "0", key.digest)
    assert not is_token_of("", key.digest)


@pytest.mark.parametrize("text", ["", "rtcdp_w_1_2", "Rtcdp_w_00000000_" + "0" * 48, "ü" * 60])
def test_what_is_no_token_names_no_key(text: str) -> None:
    assert key_id_in(text) is None


def test_a_key_ends_by_time_and_by_word() -> None:
    wish = KeyWish("shop", ("write",), expires_ms=DAY_MS)
    key, _ = minted(wish, 0, secrets.token_bytes)
    assert [key.state(DAY_MS - 1), key.state(DAY_MS)] == ["active", "expired"]
    assert msgspec.structs.replace(key, revoked_ms=1).state(2) == "revoked"


@pytest.mark.parametrize(
    ("name", "scopes", "bounds"),
    [
        ("", ("write",), {}),
        ("a\nb", ("write",), {}),
        ("shop", ("read",), {"origins": ("https://shop.example",)}),
        ("shop", ("write", "read"), {"origins": ("https://shop.example",)}),
        ("shop", ("admin",), {"sources": ("shop",)}),
    ],
)
def test_a_wish_that_can_not_be_is_refused(name, scopes, bounds) -> None:
    with pytest.raises(UsageError):
        KeyWish(name, scopes, **bounds)
