"""All keys together: made, replaced, taken back, and found by their tokens."""

import secrets

import pytest

from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import KeyWish
from rtcdp.errors import NotThere

WISH = KeyWish("shop", ("write",), sources=("shop",))


@pytest.fixture
def made():
    return Keyring().with_new(WISH, 100, secrets.token_bytes)


def test_a_key_is_found_by_its_token_alone(made) -> None:
    ring, key = made
    assert ring.key_of(key.token) == key.key
    assert ring.key_of(key.token[:-1] + ("0" if key.token[-1] != "0" else "1")) is None
    assert ring.key_of("rtcdp_w_00000000_" + "0" * 48) is None
    assert ring.key_of("") is None
    assert Keyring().key_of(key.token) is None


def test_two_keys_never_have_one_id() -> None:
    drawn = [b"\x01" * 4, b"\x02" * 24, b"\x03" * 32]
    drawn += [b"\x01" * 4, b"\x02" * 24, b"\x04" * 4, b"\x02" * 24]
    ring, first = Keyring().with_new(WISH, 0, lambda _: drawn.pop(0))
    ring, second = ring.with_new(WISH, 0, lambda _: drawn.pop(0))
    assert (first.key.id, second.key.id) == ("01010101", "04040404")


def test_a_replaced_key_is_gone_at_once_or_after_a_while(made) -> None:
    ring, old = made
    after, new = ring.with_rotated(old.key.id, 200, secrets.token_bytes)
    assert after.named(old.key.id).state(200) == "revoked"
    assert after.key_of(new.token).sources == ("shop",)
    after, _ = ring.with_rotated(old.key.id, 200, secrets.token_bytes, grace_ms=50)
    assert [after.named(old.key.id).state(t) for t in (249, 250)] == ["active", "expired"]


def test_a_replaced_key_that_ends_is_followed_by_one_that_lasts_as_long() -> None:
    wish = KeyWish("shop", ("write",), expires_ms=1_000)
    ring, old = Keyring().with_new(wish, 0, secrets.token_bytes)
    after, new = ring.with_rotated(old.key.id, 900, secrets.token_bytes, grace_ms=500)
    assert new.key.expires_ms == 1_900
    assert after.named(old.key.id).expires_ms == 1_000


def test_what_is_left_of_a_replaced_key_is_no_measure_for_another(made) -> None:
    ring, old = made
    ring, new = ring.with_rotated(old.key.id, 200, secrets.token_bytes, grace_ms=50)
    with pytest.raises(NotThere) as refused:
        ring.with_rotated(old.key.id, 210, secrets.token_bytes, grace_ms=9_000)
    assert refused.value.hint == f"replace that one: rtcdp keys rotate {new.key.id}"
    _, newest = ring.with_rotated(new.key.id, 210, secrets.token_bytes)
    assert newest.key.expires_ms is None


def test_a_key_that_was_taken_back_stays_so(made) -> None:
    ring, key = made
    ring = ring.with_revoked(key.key.id, 200).with_revoked(key.key.id, 300)
    assert ring.key_of(key.token).revoked_ms == 200
    with pytest.raises(NotThere, match="was revoked"):
        ring.with_rotated(key.key.id, 400, secrets.token_bytes)
    with pytest.raises(NotThere, match="no key"):
        ring.with_revoked("nothing", 0)


def test_who_names_a_key_otherwise_than_by_its_id_is_told_the_id(made) -> None:
    ring, key = made
    for word in (key.key.name, key.token):
        with pytest.raises(NotThere) as refused:
            ring.named(word)
        assert refused.value.hint.endswith(f": {key.key.id}")
        assert key.token not in str(refused.value)


def test_parts_know_each_other_by_the_secret(made) -> None:
    ring, _ = made
    assert ring.is_own(ring.own_token)
    assert not ring.is_own(ring.own_token[:-1])
    assert not ring.is_own("ü")
    assert Keyring().own_token == ""
    assert not Keyring().is_own("")
