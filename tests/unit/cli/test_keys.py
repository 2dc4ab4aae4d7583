"""Keys from the command line."""

import json
from pathlib import Path

import pytest

from rtcdp.access.key_file import keys_path, read_keys
from rtcdp.access.keys import key_id_in

DAY_MS = 86_400_000


def ring():
    return read_keys(keys_path(Path("rtcdp-data")))


def test_a_key_is_shown_once(rtcdp):
    made = rtcdp("keys", "create", "shop", "--scope", "write", "--source", "shop")
    token = made.out.strip()
    assert made.code == 0
    assert "from now on whoever sends or asks needs a key" in made.err
    assert ring().key_of(token).sources == ("shop",)
    assert "from now on" not in rtcdp("keys", "create", "me", "--scope", "admin").err
    listed = rtcdp("keys").out
    assert key_id_in(token) in listed
    assert token.rpartition("_")[2] not in listed + rtcdp("keys", "list", "--json").out


def test_a_key_for_pages_is_bound_to_where_they_come_from(rtcdp):
    options = ["--scope", "write", "--origin", "https://Shop.example:443", "--expires", "90d"]
    made = json.loads(rtcdp("keys", "create", "shop", *options, "--json").out)
    assert made["origins"] == ["https://shop.example"]
    key = ring().key_of(made["token"])
    assert key.expires_ms - key.created_ms == pytest.approx(90 * DAY_MS, abs=5_000)


def test_a_key_is_replaced_and_taken_back(rtcdp):
    old = rtcdp("keys", "create", "shop", "--scope", "write", "--scope", "read").out.strip()
    rotated = rtcdp("keys", "rotate", key_id_in(old), "--grace", "1h")
    new = rotated.out.strip()
    assert f"{key_id_in(old)} is good until" in rotated.err
    assert ring().key_of(new).scopes == ("write", "read")
    assert rtcdp("keys", "revoke", key_id_in(new)).out == f"revoked {key_id_in(new)} (shop)\n"
    items = json.loads(rtcdp("keys", "list", "--json").out)["items"]
    assert [item["state"] for item in items] == ["active", "revoked"]
    again = rtcdp("keys", "rotate", key_id_in(old)).err
    assert f"was replaced by {key_id_in(new)}" in again
    assert "rtcdp keys create" in again


def test_what_is_said_of_a_replaced_key_is_what_becomes_of_it(rtcdp):
    key = rtcdp("keys", "create", "shop", "--scope", "write", "--expires", "60s").out.strip()
    said = rtcdp("keys", "rotate", key_id_in(key), "--grace", "24h").err
    ends = json.loads(rtcdp("keys", "list", "--json").out)["items"][0]["expires_at"]
    assert f"{key_id_in(key)} is good until {ends}" in said


def test_what_is_done_with_keys_is_noted(rtcdp):
    token = rtcdp("keys", "create", "shop", "--scope", "read").out.strip()
    rtcdp("keys", "revoke", key_id_in(token))
    entries = [json.loads(line) for line in Path("rtcdp-data/audit.jsonl").read_text().splitlines()]
    assert [entry["action"] for entry in entries] == ["keys create", "keys revoke"]
    assert {entry["what"] for entry in entries} == {f"key {key_id_in(token)} read shop"}


def test_what_can_not_be_noted_is_not_done(rtcdp):
    token = rtcdp("keys", "create", "shop", "--scope", "read").out.strip()
    before, audit = ring(), Path("rtcdp-data/audit.jsonl")
    audit.unlink()
    audit.mkdir()
    for options in (
        ["create", "more", "--scope", "read"],
        ["rotate", key_id_in(token)],
        ["revoke", key_id_in(token)],
    ):
        done = rtcdp("keys", *options)
        assert (done.code != 0, done.out) == (True, "")
        assert "what can't be noted there is not done" in done.err
    assert ring() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["create", "shop"], "needs a scope"),
        (["create", "shop", "--scope", "raed"], "did you mean read"),
        (["create", "shop", "--scope", "read", "--origin", "https://a.example"], "just writes"),
        (["create", "shop", "--scope", "write", "--origin", "a.example"], "no web origin"),
        (["create", "shop", "--scope", "write", "--source", "Shop"], "no name of a source"),
        (["create", "shop", "--scope", "write", "--expires", "soon"], "not a duration"),
        (["revoke", "nothing"], "no key 'nothing'"),
        (["rotate", "nothing"], "no key 'nothing'"),
    ],
)
def test_what_can_not_be_is_refused(rtcdp, options, said):
    done = rtcdp("keys", *options)
    assert done.code != 0
    assert said in done.err
    assert ring().keys == ()


def test_where_there_are_none_it_says_how_to_make_one(rtcdp):
    assert "rtcdp keys create NAME" in rtcdp("keys", "list").out
