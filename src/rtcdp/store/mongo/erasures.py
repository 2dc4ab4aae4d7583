"""What a plan says of users who were erased: who they are, by a salted hash alone, and which alarms
nobody has seen any more."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rtcdp.admission.erased import ErasedUser
from rtcdp.store.mongo.acknowledgements import take_acknowledgement_away
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.mongo.layout import REVISION, integer
from rtcdp.store.mongo.plan import Plan

ERASED = "_erased_users"
IS_PENDING = "is_pending"
"""Whether log and store may still hold something of a user, since the revision that is beside."""


def erasure_tasks(database: MongoDatabase, plan: Plan) -> Iterator[Callable[[], None]]:
    """What a plan says of erased users, in pieces that can be done at the same time."""
    if plan.erasure is not None:
        if plan.erasure.user is not None:
            yield partial(_remember, database, plan.erasure.user, plan.revision)
        for series, window_start in plan.erasure.acknowledgements:
            yield partial(_take_away, database, series, window_start)
    elif not plan.ledger.is_empty() and plan.ledger["erased"].sum():
        yield partial(_begin_again, database, plan.revision)


def read_erased_users(database: MongoDatabase, *, only_pending: bool) -> Sequence[ErasedUser]:
    """Who was erased; only those of whom the log may hold something."""
    wanted = {IS_PENDING: True} if only_pending else {}
    return [
        ErasedUser(each["_id"], each["salt"], int(each["erased_at"]))
        for each in database.collection(ERASED).find(wanted)
    ]


def _remember(database: MongoDatabase, user: ErasedUser, revision: int) -> None:
    fields = {
        "salt": user.salt,
        "erased_at": integer(user.erased_at),
        IS_PENDING: True,
        REVISION: integer(revision),
    }
    database.collection(ERASED).update_one({"_id": user.digest}, {"$set": fields}, upsert=True)


def _take_away(database: MongoDatabase, series: str, window_start: int) -> None:
    take_acknowledgement_away(database, series, window_start)


def _begin_again(database: MongoDatabase, revision: int) -> None:
    """Records of users came in who were erased: the log holds something of them again."""
    database.collection(ERASED).update_many(
        {IS_PENDING: False}, {"$set": {IS_PENDING: True, REVISION: integer(revision)}}
    )
