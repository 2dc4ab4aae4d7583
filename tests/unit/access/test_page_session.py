"""Sessions of the page."""

import secrets

import pytest

from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import KeyWish
from rtcdp.access.page_session import (
    EndedSessions,
    begun,
    csrf_token_of,
    key_of_session,
    proves,
)


@pytest.fixture
def ring() -> Keyring:
    return Keyring().with_new(KeyWish("me", ("read",)), 0, secrets.token_bytes)[0]


def test_a_session_is_of_its_key_until_it_ends(ring: Keyring) -> None:
    value = begun(ring, ring.keys[0], 1_000, secrets.token_bytes).value
    assert key_of_session(ring, value, 999) == ring.keys[0]
    assert key_of_session(ring, value, 1_000) is None
    assert key_of_session(Keyring((), ring.secret), value, 999) is None


def test_no_letter_of_a_session_can_be_changed(ring: Keyring) -> None:
    value = begun(ring, ring.keys[0], 1_000, secrets.token_bytes).value
    for place in range(len(value)):
        other = "0" if value[place] != "0" else "1"
        assert key_of_session(ring, value[:place] + other + value[place + 1 :], 0) is None


@pytest.mark.parametrize("value", ["", "...", "a.b.c.d", "ü.1.2.3", "1." * 400, "1.1.1"])
def test_what_is_no_session_is_of_nobody(ring: Keyring, value: str) -> None:
    assert key_of_session(ring, value, 0) is None
    assert key_of_session(Keyring(), value, 0) is None


def test_a_token_proves_one_session_alone(ring: Keyring) -> None:
    first, second = (begun(ring, ring.keys[0], 1_000, secrets.token_bytes) for _ in range(2))
    assert proves(ring, first.value, first.csrf_token)
    assert first.csrf_token == csrf_token_of(ring, first.value)
    assert not proves(ring, second.value, first.csrf_token)
    assert not proves(ring, first.value, "")
    assert not proves(ring, first.value, "ü")


def test_of_sessions_that_were_ended_the_last_ones_are_remembered() -> None:
    ended = EndedSessions(max_known=2)
    for value in ("a", "b", "b", "c"):
        ended.add(value)
    assert [value in ended for value in "abc"] == [False, True, True]
    assert len(ended) == 2
