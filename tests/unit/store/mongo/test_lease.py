import pytest

from rtcdp.store import Lease, LeaseHeld, LeaseLost
from rtcdp.store.mongo.head import make_head, read_head
from rtcdp.store.mongo.store import prolong_lease, take_lease


@pytest.fixture(autouse=True)
def _head(mongo_database):
    make_head(mongo_database)


def test_a_lease_rests_in_the_head(mongo_database):
    lease = take_lease(mongo_database, "a", 100, 50, None)
    assert lease == read_head(mongo_database).lease == Lease(1, "a", 150)
    prolong_lease(mongo_database, lease, 900)
    assert read_head(mongo_database).lease == Lease(1, "a", 900)


def test_what_was_taken_over_is_neither_given_nor_prolonged(mongo_database):
    lease = take_lease(mongo_database, "a", 100, 50, None)
    with pytest.raises(LeaseHeld, match="a"):
        take_lease(mongo_database, "b", 149, 50, None)
    assert take_lease(mongo_database, "b", 149, 50, over=1) == Lease(2, "b", 199)
    with pytest.raises(LeaseLost, match="by b"):
        prolong_lease(mongo_database, lease, 900)
    assert read_head(mongo_database).lease == Lease(2, "b", 199)
