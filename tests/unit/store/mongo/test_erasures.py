import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.store import Acknowledgement
from rtcdp.store.mongo.acknowledgements import put_acknowledgement, read_acknowledgements
from rtcdp.store.mongo.erasures import erasure_tasks, read_erased_users
from rtcdp.store.mongo.layout import LEDGER, Readable
from rtcdp.store.mongo.plan import Plan, PlannedErasure

ADA, EVE = ErasedUser("ad", "5a", 7), ErasedUser("e4", "5a", 2**40)


@pytest.fixture
def carry_out(mongo_database):
    """Twice, as after a crash."""

    def do(plan):
        for task in [*erasure_tasks(mongo_database, plan)] * 2:
            task()

    return do


def test_users_are_remembered_by_their_hash_and_their_alarms_are_not(mongo_database, carry_out):
    for series in ("ada", "bob"):
        put_acknowledgement(mongo_database, Acknowledgement(series, 5, "me", 1))
    carry_out(Plan(3, Readable(1), erasure=PlannedErasure(ADA, (), (("ada", 5),))))
    carry_out(Plan(4, Readable(1), erasure=PlannedErasure(EVE)))
    assert read_erased_users(mongo_database, only_pending=True) == [ADA, EVE]
    assert [each.series for each in read_acknowledgements(mongo_database, 0, 9)] == ["bob"]


def test_other_plans_say_nothing_of_them(mongo_database, carry_out):
    ledger = LEDGER.frame([(0, "s", 1, 1, 0, 0, 0, 0, 0)])
    carry_out(Plan(3, Readable(1), ledger=ledger))
    assert read_erased_users(mongo_database, only_pending=False) == []
