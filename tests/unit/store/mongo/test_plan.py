from dataclasses import replace

import msgspec
import polars as pl
import pytest
import zstandard

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.definitions import tables_of
from rtcdp.store.mongo import plan as mongo_plan
from rtcdp.store.mongo.layout import LEDGER, SPANS, Readable
from rtcdp.store.mongo.plan import (
    PLANS,
    Plan,
    PlanDamaged,
    PlannedChange,
    PlannedErasure,
    PlannedRows,
    decode,
    encode,
    forget_plans,
    read_plan,
    write_plan,
)
from rtcdp.testing.epochs import row_changes, rows_of, uncounted_of
from tests.unit.store.row_tables import VISITS

VISIT = row_changes(VISITS, delete=[("ada", 1)], put=[("bob", -1, None, "\x00", b"\xff")])


@pytest.fixture
def plan(written_out):
    buckets, users, _ = tables_of(written_out)
    rows = (0, "/a", "a\x00b", 1, 2, 3, 4, 5, 2**62, float("-inf"), None)
    return Plan(
        revision=5,
        readable=Readable(2, (0, 1)),
        changes=(
            PlannedChange(buckets, 3, rows_of(buckets, rows)),
            PlannedChange(users, 0, rows_of(users, (0, "/a", "ada", -5))),
        ),
        ledger=pl.DataFrame([(0, "s", 1, 1, 0, 0, 0, 0, 0)], LEDGER.schema, orient="row"),
        spans=pl.DataFrame([(0, 0, 1, None, None, 9)], SPANS.schema, orient="row"),
        uncounted=uncounted_of({"raw": bytes(range(256)), "offset": 3}),
        rows=(PlannedRows(VISITS, 4, VISIT.delete, VISIT.replace),),
        at=77,
        erasure=PlannedErasure(
            ErasedUser("ab", "cd", 5),
            (PlannedChange(users, 0, rows_of(users, (0, "/a", "eve", 7))),),
            (("[]", 3),),
        ),
    )


def equal(one, other):
    assert (one.revision, one.readable, one.at) == (other.revision, other.readable, other.at)
    assert [(r.table, r.since) for r in one.rows] == [(r.table, r.since) for r in other.rows]
    assert [(c.table, c.since) for c in one.changes] == [(c.table, c.since) for c in other.changes]
    erased = [(e.user, e.acknowledgements) for e in (one.erasure, other.erasure) if e is not None]
    assert erased[:1] == erased[1:]
    frames = [
        (
            *(each.ledger, each.spans, each.uncounted),
            *(c.rows for c in each.changes),
            *(c.rows for c in (each.erasure.removed if each.erasure else ())),
            *(r.delete for r in each.rows),
            *(r.replace for r in each.rows),
        )
        for each in (one, other)
    ]
    return all(a.equals(b) and a.schema == b.schema for a, b in zip(*frames, strict=True))


def test_a_plan_comes_back_as_it_was(plan):
    assert equal(decode(encode(plan)), plan)
    assert equal(decode(encode(Plan(1, Readable(0)))), Plan(1, Readable(0)))


def test_a_plan_is_empty_when_no_document_changes(plan):
    assert Plan(1, Readable(0)).is_empty
    assert not plan.is_empty
    assert not Plan(1, Readable(0), rows=plan.rows).is_empty
    assert not Plan(1, Readable(0), uncounted=uncounted_of({})).is_empty
    assert Plan(1, Readable(0)).uncounted.schema == UNCOUNTED_SCHEMA


def test_a_small_plan_rests_in_the_head(mongo_database, plan):
    pending = write_plan(mongo_database, plan)
    assert mongo_database.collection(PLANS).find_one() is None
    assert equal(read_plan(mongo_database, pending), plan)


@pytest.fixture
def in_pieces(monkeypatch):
    monkeypatch.setattr(mongo_plan, "INLINE_BYTES_MAX", 100)
    monkeypatch.setattr(mongo_plan, "CHUNK_BYTES_MAX", 100)


@pytest.mark.usefixtures("in_pieces")
def test_a_large_plan_rests_in_documents_of_its_own(mongo_database, plan):
    pending = write_plan(mongo_database, plan)
    assert "data" not in pending
    chunks = list(mongo_database.collection(PLANS).find())
    assert len(chunks) == pending["chunks"] == -(-len(encode(plan)) // 100)
    assert max(len(chunk["data"]) for chunk in chunks) == 100
    assert equal(read_plan(mongo_database, pending), plan)


@pytest.mark.usefixtures("in_pieces")
def test_plans_that_nobody_can_decide_any_more_are_forgotten(mongo_database, plan):
    pending = write_plan(mongo_database, plan)
    forget_plans(mongo_database, plan.revision - 1)
    assert equal(read_plan(mongo_database, pending), plan)
    forget_plans(mongo_database, plan.revision)
    assert read_plan(mongo_database, pending) is None


@pytest.mark.usefixtures("in_pieces")
def test_a_plan_that_is_not_what_was_written_is_not_carried_out(mongo_database, plan):
    pending = write_plan(mongo_database, plan)
    chunk = {"_id": f"{pending['id']}:0"}
    mongo_database.collection(PLANS).update_one(chunk, {"$set": {"data": b"other"}})
    with pytest.raises(PlanDamaged, match="revision 5"):
        read_plan(mongo_database, pending)


def test_a_plan_of_a_version_that_knew_no_row_tables_can_be_carried_out(plan):
    written = msgspec.msgpack.decode(zstandard.decompress(encode(plan)))
    del written["rows"], written["at"]
    old = zstandard.compress(msgspec.msgpack.encode(written))
    assert equal(decode(old), replace(plan, rows=(), at=0))
