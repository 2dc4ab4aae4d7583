"""The decision of a request."""

import secrets
from pathlib import Path

import msgspec
import pytest

from rtcdp.access.gate import Asking, Gate
from rtcdp.access.grant import EVERYBODY, AccessRefused
from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keyring import Minted
from rtcdp.access.keys import KeyWish
from rtcdp.access.rules import AccessRules
from rtcdp.clock import ManualClock

NOW_MS = 1_000_000
SHOP = "https://shop.example"
WRONG = "rtcdp_r_" + "0" * 57


class House:
    """A data folder with keys, and its gate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = ManualClock(NOW_MS)
        self.gate = self.gated()

    def gated(self, **rules) -> Gate:
        return Gate(self.directory, AccessRules(**rules), self.clock, secrets.token_bytes)

    def key(self, *scopes, **bounds) -> Minted:
        wish = KeyWish("a key", scopes, **bounds)
        made = change_keys(
            keys_path(self.directory),
            lambda ring: ring.with_new(wish, NOW_MS, secrets.token_bytes),
        )
        self.clock.advance(250)
        return made

    def revoke(self, made: Minted) -> None:
        change_keys(
            keys_path(self.directory), lambda ring: (ring.with_revoked(made.key.id, NOW_MS), None)
        )
        self.clock.advance(250)


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


def refusal(gate: Gate, need: str, **asking) -> AccessRefused:
    with pytest.raises(AccessRefused) as caught:
        gate.admit(Asking(**{"method": "GET", **asking}), need)
    return caught.value


def test_without_keys_everybody_may_do_everything(house: House) -> None:
    assert not house.gate.is_shut
    assert house.gate.admit(Asking("POST"), "admin") is EVERYBODY


def test_with_the_first_key_it_shuts_and_never_opens_again(house: House) -> None:
    made = house.key("read")
    assert house.gate.is_shut
    assert refusal(house.gate, "read").code == "no_key"
    assert house.gate.admit(Asking("GET", token=made.token), "read").who == f"key {made.key.id}"
    house.revoke(made)
    assert refusal(house.gate, "read", token=made.token).code == "revoked_key"
    assert house.gate.admit(Asking("GET"), "open") is EVERYBODY


def test_a_key_does_what_it_is_for_until_it_ends(house: House) -> None:
    made = house.key("read", expires_ms=NOW_MS + 10_000)
    assert refusal(house.gate, "write", token=made.token).code == "wrong_scope"
    assert refusal(house.gate, "admin", token=made.token).status == 403
    house.clock.advance(10_000)
    assert refusal(house.gate, "read", token=made.token).code == "expired_key"
    assert refusal(house.gate, "read", token=WRONG).code == "unknown_key"


def test_a_key_in_an_address_sends_events_from_its_pages_alone(house: House) -> None:
    made = house.key("write", origins=(SHOP,), sources=("shop",))
    page = {"page_key": made.token, "origin": SHOP}
    assert house.gate.admit(Asking("POST", **page), "send").sources == ("shop",)
    assert refusal(house.gate, "write", **page).code == "wrong_scope"
    assert refusal(house.gate, "read", **page).code == "wrong_scope"
    evil = {**page, "origin": "https://evil.test"}
    assert refusal(house.gate, "send", **evil).code == "foreign_origin"
    assert refusal(house.gate, "send", page_key=made.token).code == "foreign_origin"
    assert house.gate.lets_page_send(made.token, SHOP)
    assert not house.gate.lets_page_send(made.token, "https://evil.test")
    assert not house.gate.lets_page_send("nothing", SHOP)
    house.revoke(made)
    assert not house.gate.lets_page_send(made.token, SHOP)


def test_a_key_that_is_no_pages_does_not_go_into_an_address(house: House) -> None:
    made = house.key("admin")
    refused = refusal(house.gate, "send", page_key=made.token)
    assert (refused.code, "Bearer" in refused.hint) == ("wrong_scope", True)


def test_somebody_who_logs_in_has_a_session_that_ends_with_the_key(house: House) -> None:
    made = house.key("admin")
    session = house.gate.begin_session(made.token, "10.0.0.1")
    asking = {"session": session.value}
    assert house.gate.admit(Asking("GET", **asking), "admin").scopes == ("admin",)
    assert refusal(house.gate, "admin", method="POST", **asking).code == "no_csrf_token"
    shown = Asking("POST", csrf_token=session.csrf_token, **asking)
    assert house.gate.admit(shown, "admin").who == f"key {made.key.id}"
    assert house.gate.logged_in(shown) == (f"key {made.key.id} (a key)", session.csrf_token)
    assert house.gate.is_from_session(session.value, session.csrf_token)
    assert not house.gate.is_from_session(None, session.csrf_token)
    house.revoke(made)
    assert house.gate.logged_in(shown) == ("", "")
    assert refusal(house.gate, "read", **asking).code == "no_key"


def test_what_lasts_holds_as_long_as_what_it_was_let_in_with(house: House) -> None:
    anybody = Asking("GET", "10.0.0.1")
    assert house.gate.holds(anybody, "read")
    made = house.key("read", expires_ms=NOW_MS + 10_000)
    assert not house.gate.holds(anybody, "read"), "since there is a key"
    assert house.gate.holds(anybody, "open")
    session = house.gate.begin_session(made.token, "").value
    with_key, logged_in = Asking("GET", token=made.token), Asking("GET", session=session)
    for asking in (with_key, logged_in):
        assert house.gate.holds(asking, "read")
        assert not house.gate.holds(asking, "write")
    house.clock.advance(10_000)
    assert [house.gate.holds(each, "read") for each in (with_key, logged_in)] == [False, False]


def test_to_decide_counts_nothing(house: House) -> None:
    made = house.key("read")
    gate = house.gated(key_requests_per_s=1, address_requests_per_s=1, failures_per_minute=1)
    good, wrong = Asking("GET", "10.0.0.1", made.token), Asking("GET", "10.0.0.1", WRONG)
    assert all(gate.holds(good, "read") for _ in range(9))
    assert not any(gate.holds(wrong, "read") for _ in range(9))
    assert refusal(gate, "read", token=WRONG, address="10.0.0.1").code == "unknown_key"
    gate.count(good, gate.decide(good, "read"))
    with pytest.raises(AccessRefused):
        gate.count(good, gate.decide(good, "read"))


def test_a_session_ends_by_itself(house: House) -> None:
    session = house.gate.begin_session(house.key("read").token, "")
    house.clock.advance(12 * 3_600_000)
    assert refusal(house.gate, "read", session=session.value).code == "no_key"


def test_who_can_not_read_can_not_log_in(house: House) -> None:
    made = house.key("write")
    for token, code in ((made.token, "wrong_scope"), (WRONG, "unknown_key")):
        with pytest.raises(AccessRefused) as caught:
            house.gate.begin_session(token, "10.0.0.1")
        assert caught.value.code == code


def test_who_can_not_log_in_with_what_everybody_may_read_waits_as_well(house: House) -> None:
    made = house.key("write", origins=(SHOP,))
    gate, found = house.gated(failures_per_minute=2), []
    for _ in range(4):
        with pytest.raises(AccessRefused) as caught:
            gate.begin_session(made.token, "10.0.0.1")
        found.append(caught.value.code)
    assert found == ["wrong_scope"] * 2 + ["too_many_failures"] * 2


def test_who_logs_in_is_counted(house: House) -> None:
    made = house.key("read")
    for limit in ("address_requests_per_s", "key_requests_per_s"):
        gate = house.gated(**{limit: 1})
        for _ in range(2):
            assert gate.begin_session(made.token, "10.0.0.1").key_id == made.key.id
        with pytest.raises(AccessRefused) as caught:
            gate.begin_session(made.token, "10.0.0.1")
        assert caught.value.code == "too_many_requests"


def test_a_session_that_was_ended_is_good_for_nothing(house: House) -> None:
    made = house.key("read")
    one, other = (house.gate.begin_session(made.token, "") for _ in range(2))
    assert house.gate.end_session(Asking("POST", session=one.value)) == f"key {made.key.id}"
    assert refusal(house.gate, "read", session=one.value).code == "no_key"
    assert house.gate.logged_in(Asking("GET", session=one.value)) == ("", "")
    assert house.gate.holds(Asking("GET", session=other.value), "read")
    for nobody in (one.value, "made.1.up.0", None):
        assert house.gate.end_session(Asking("POST", session=nobody)) == ""


def test_parts_of_the_installation_may_send_alone(house: House) -> None:
    house.key("read")
    own = msgspec.json.decode(keys_path(house.directory).read_bytes())["secret"]
    from_file = house.gate._keys.now.own_token
    assert own not in from_file
    assert house.gate.admit(Asking("POST", token=from_file), "write").scopes == ("write",)
    assert refusal(house.gate, "read", token=from_file).code == "wrong_scope"


def test_who_tries_too_often_waits_and_good_keys_do_not(house: House) -> None:
    made = house.key("read")
    gate = house.gated(failures_per_minute=3)
    for _ in range(3):
        assert refusal(gate, "read", token=WRONG, address="10.0.0.1").code == "unknown_key"
    refused = refusal(gate, "read", token=WRONG, address="10.0.0.1")
    assert (refused.code, refused.retry_after_s) == ("too_many_failures", 20)
    assert gate.admit(Asking("GET", "10.0.0.1", made.token), "read")
    assert gate.admit(Asking("GET", "10.0.0.2", made.token), "read")
    house.clock.advance(20_000)
    assert gate.admit(Asking("GET", "10.0.0.1", made.token), "read")


def test_to_show_nothing_is_no_failure(house: House) -> None:
    house.key("read")
    gate = house.gated(failures_per_minute=1)
    assert {refusal(gate, "read", address="10.0.0.1").code for _ in range(5)} == {"no_key"}


def test_a_key_and_an_address_ask_no_more_often_than_allowed(house: House) -> None:
    made, other = house.key("read"), house.key("read")
    gate = house.gated(key_requests_per_s=1)
    for _ in range(2):
        gate.admit(Asking("GET", token=made.token), "read")
    refused = refusal(gate, "read", token=made.token)
    assert (refused.status, refused.retry_after_s) == (429, 1)
    gate.admit(Asking("GET", token=other.token), "read")

    gate = house.gated(address_requests_per_s=1)
    assert gate.is_limiting
    for token in (made.token, other.token):
        gate.admit(Asking("GET", "10.0.0.1", token), "read")
    assert refusal(gate, "read", address="10.0.0.1", token=made.token).status == 429
