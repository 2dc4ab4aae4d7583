import threading

import pytest
from pymongo import ReadPreference
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from rtcdp.errors import RtcdpError, UsageError
from rtcdp.store import StoreForbidden, StoreUnavailable
from rtcdp.store.mongo.connection import (
    DEFAULTS,
    TASKS_AT_ONCE,
    MongoDatabase,
    only_duplicates,
)

NOBODY = "mongodb://ada:s%2Fcret@127.0.0.1:1/shop?serverSelectionTimeoutMS=50"


def named(error, url=NOBODY):
    database = MongoDatabase(url)
    with pytest.raises(RtcdpError) as raised, database.translated():
        raise error
    return raised.value


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb://127.0.0.1:27017",
        "mongodb://127.0.0.1:27017/",
        "mongodb://127.0.0.1:27017/admin",
        "mongodb://127.0.0.1:notaport/shop",
        "mongodb://127.0.0.1:99999/shop",
        "mongodb://127.0.0.1/shop?colour=blue",
        "mongodb://127.0.0.1/shop?w=0",
        "postgresql://127.0.0.1/shop",
    ],
)
def test_a_url_that_names_no_database_of_mongodb_is_refused(url):
    with pytest.raises(UsageError) as refused:
        MongoDatabase(url)
    assert refused.value.hint


@pytest.mark.parametrize(
    "url", ["mongodb://ada:hush:hush@h/shop", "mongodb://ada:hush@h:x/shop", "mongodb://a:hush@"]
)
def test_what_is_said_of_a_wrong_url_does_not_hold_the_password(url):
    with pytest.raises(UsageError) as refused:
        MongoDatabase(url)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        NetworkTimeout("slow"),
        ServerSelectionTimeoutError("nobody there"),
        OperationFailure("no room", 14031),
        WriteConcernError("not enough members", 64),
    ],
)
def test_a_server_that_is_away_or_fails_is_unavailable(error):
    assert type(named(error)) is StoreUnavailable


@pytest.mark.parametrize("code", [13, 18, 8000])
def test_a_user_who_may_not_is_told_what_to_check(code):
    error = named(OperationFailure("not you", code))
    assert type(error) is StoreForbidden
    assert "authSource" in error.hint


def test_messages_hold_neither_password_nor_what_was_written():
    assert "s/cret" not in str(named(AutoReconnect("s/cret s%2Fcret")))
    assert "s%2Fcret" not in str(named(AutoReconnect("s/cret s%2Fcret")))
    why = 'E11000 duplicate key: { userId: "ada" }'
    failures = [{"code": 11000, "errmsg": why, "op": {"userId": "ada"}}]
    for error in (
        BulkWriteError({"writeErrors": failures, "writeConcernErrors": []}),
        DuplicateKeyError(why, 11000, failures[0]),
        OperationFailure(why, 11000),
    ):
        assert "code 11000" in str(named(error))
        assert "ada" not in str(named(error))


def test_nobody_is_waited_for_for_ever():
    database = MongoDatabase(NOBODY)
    with pytest.raises(StoreUnavailable) as raised, database.translated():
        database.collection("x").find_one()
    database.close()
    assert str(raised.value).endswith("127.0.0.1:1: [Errno 111] Connection refused")


def test_writes_are_sure_unless_the_url_says_otherwise(mongo_server):
    for options, expected in (("", {"w": "majority", "j": True}), ("?w=1&journal=false", None)):
        database = MongoDatabase(mongo_server.url("any") + options)
        concern = database.collection("x").write_concern.document
        assert concern == (expected or {"w": 1, "j": False})
        database.close()
    assert {"serverSelectionTimeoutMS", "socketTimeoutMS", "connectTimeoutMS"} <= set(DEFAULTS)


def test_everything_is_read_where_it_is_written(mongo_server):
    database = MongoDatabase(mongo_server.url("any") + "?readPreference=secondaryPreferred")
    assert database.collection("x").read_preference == ReadPreference.PRIMARY
    database.close()


def test_what_is_closed_is_unavailable(mongo_database):
    mongo_database.collection("x").find_one()
    mongo_database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        mongo_database.collection("x")


def test_duplicates_are_counted_and_anything_else_is_raised():
    duplicate, other = {"code": 11000}, {"code": 50}
    assert only_duplicates(BulkWriteError({"writeErrors": [duplicate] * 2})) == 2
    for details in (
        {"writeErrors": [duplicate, other]},
        {"writeErrors": [duplicate], "writeConcernErrors": [{"code": 64}]},
    ):
        with pytest.raises(BulkWriteError):
            only_duplicates(BulkWriteError(details))


def test_the_test_server_is_a_simple_one(mongo_database):
    assert mongo_database.is_simple_server


def test_tasks_run_side_by_side_and_all_end_before_a_failure_is_told(mongo_database):
    together, done = threading.Barrier(TASKS_AT_ONCE, timeout=30), []

    def fail():
        together.wait()
        raise AutoReconnect("gone")

    def work():
        together.wait()
        done.append(1)

    with pytest.raises(AutoReconnect):
        mongo_database.run_together([fail, *[work] * (TASKS_AT_ONCE - 1)])
    assert len(done) == TASKS_AT_ONCE - 1
    mongo_database.run_together([])
    mongo_database.run_together([lambda: done.append(1)])
    assert len(done) == TASKS_AT_ONCE
