"""The file of keys."""

import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtcdp.access.key_file import (
    FollowedKeys,
    KeysDamaged,
    change_keys,
    keys_path,
    make_secret,
    read_keys,
)
from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import KeyWish
from rtcdp.clock import ManualClock
from rtcdp.errors import NotThere

WISH = KeyWish("shop", ("write",))


def add(path: Path):
    return change_keys(path, lambda ring: ring.with_new(WISH, 0, secrets.token_bytes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return keys_path(tmp_path / "data")


def test_the_file_is_its_owners_and_holds_no_token(path: Path) -> None:
    assert read_keys(path) == Keyring()
    made = add(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert made.token.rpartition("_")[2] not in path.read_text()
    assert read_keys(path).key_of(made.token) == made.key


def test_many_make_keys_at_once_and_none_is_lost(path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: add(path), range(12)))
    assert {key.id for key in read_keys(path).keys} == {each.key.id for each in made}


def test_a_change_that_fails_changes_nothing(path: Path) -> None:
    add(path)
    before = path.read_bytes()
    with pytest.raises(NotThere):
        change_keys(path, lambda ring: (ring.with_revoked("nothing", 0), None))
    assert path.read_bytes() == before


def test_a_file_is_followed_and_what_was_locked_stays_locked(path: Path) -> None:
    clock, said = ManualClock(), []
    followed = FollowedKeys(path, clock, said.append)
    assert followed.now.keys == ()
    made = add(path)
    assert followed.now.keys == ()
    clock.advance(250)
    assert followed.now.key_of(made.token) == made.key

    path.write_text("{")
    clock.advance(250)
    assert followed.now.keys == (made.key,)
    path.unlink()
    clock.advance(250)
    assert followed.now.keys == (made.key,)
    assert ["can't be read" in said[0], "is gone" in said[1]] == [True, True]
    assert len(said) == 2


@pytest.mark.parametrize("text", ["{}", '{"keys": []}', '{"other": 1}', '{"secret": "00"}'])
def test_a_file_that_has_lost_its_keys_opens_nothing(path: Path, text: str) -> None:
    clock, said = ManualClock(), []
    made = add(path)
    followed = FollowedKeys(path, clock, said.append)
    path.write_text(text)
    for _ in range(3):
        clock.advance(250)
        assert followed.now.keys == (made.key,)
    assert len(said) == 1


def test_a_secret_is_made_once_and_stays_when_keys_come(path: Path) -> None:
    for _ in range(2):
        make_secret(path, secrets.token_bytes)
    made = read_keys(path)
    assert (made.keys, len(made.secret)) == ((), 64)
    add(path)
    make_secret(path, secrets.token_bytes)
    assert (len(read_keys(path).keys), read_keys(path).secret) == (1, made.secret)


def test_a_damaged_file_lets_nothing_begin(path: Path) -> None:
    add(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(KeysDamaged, match=r"keys\.json"):
        FollowedKeys(path, ManualClock(), print)
