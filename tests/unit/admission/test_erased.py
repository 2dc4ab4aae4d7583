import polars as pl

from rtcdp.admission.erased import NOBODY_ERASED, ErasedUser, ErasedUsers

EVENTS = pl.DataFrame({"userId": ["ada", "bob", "ada", "ada"], "timestamp": [99, 1, 100, 101]})


def test_only_what_happened_before_is_erased_and_only_of_that_user():
    users = ErasedUsers([ErasedUser.of("ada", "01" * 16, 100)])
    assert users.among(EVENTS).tolist() == [True, False, False, False]
    assert (users.erased_until("ada"), users.erased_until("bob")) == (100, None)


def test_of_two_erasures_the_later_one_holds_whatever_their_salts():
    users = ErasedUsers(
        [ErasedUser.of("ada", salt * 16, at) for salt, at in (("01", 9), ("02", 101))]
    )
    assert users.among(EVENTS).tolist() == [True, False, True, False]


def test_while_nobody_was_erased_nothing_is():
    assert not NOBODY_ERASED
    assert not NOBODY_ERASED.among(EVENTS).any()
