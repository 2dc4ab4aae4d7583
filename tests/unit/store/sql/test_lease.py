import pytest

from rtcdp.store import Lease, LeaseHeld, LeaseLost
from rtcdp.store.rules import refuse_held
from rtcdp.store.sql.lease import check_lease, prolong_lease, read_lease, take_lease


def test_there_is_none_before_the_first(transaction):
    assert read_lease(transaction) is None
    check_lease(transaction, None)


def test_each_one_has_a_larger_token(transaction):
    first = take_lease(transaction, "a", 0, 100, None)
    second = take_lease(transaction, "b", 100, 100, None)
    assert (first, second) == (Lease(1, "a", 100), Lease(2, "b", 200))
    assert read_lease(transaction) == second


def test_a_token_grows_even_when_the_lease_was_given_back(transaction):
    first = take_lease(transaction, "a", 0, 100, None)
    prolong_lease(transaction, first, 0)
    assert take_lease(transaction, "a", 0, 100, None).token == 2


def test_the_hint_says_how_long_to_wait(transaction):
    held = take_lease(transaction, "a", 0, 30_000, None)
    with pytest.raises(LeaseHeld) as refused:
        refuse_held(held, 10_000)
    assert "20 s" in refused.value.hint
    refuse_held(held, 30_000)


def test_only_the_newest_holder_passes(transaction):
    first = take_lease(transaction, "a", 0, 100, None)
    second = take_lease(transaction, "b", 0, 100, over=first.token)
    check_lease(transaction, second)
    for refused in (check_lease, lambda *lease: prolong_lease(*lease, expires_at=500)):
        with pytest.raises(LeaseLost, match="by b"):
            refused(transaction, first)
    assert read_lease(transaction) == second


def test_a_lease_of_a_store_that_was_emptied_is_lost(transaction):
    with pytest.raises(LeaseLost):
        check_lease(transaction, Lease(1, "a", 100))
