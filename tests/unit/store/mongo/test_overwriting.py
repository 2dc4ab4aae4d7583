"""What an erasure leaves in a database: what readers still need at first, and nothing at last."""

from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.definitions import BUCKET_START, Count, Distinct, Metric, TopK, tables_of, tumbling
from rtcdp.engines.native.erasing import finish_erasures
from rtcdp.store import Acknowledgement, Erasure, Scan
from rtcdp.store.checksums import check_sums
from rtcdp.store.mongo import MongoStore, overwriting, values_with
from rtcdp.store.mongo import commit as mongo_commit
from rtcdp.store.mongo.snapshot import SnapshotTooOld
from rtcdp.testing.epochs import EpochMaker, change, row_changes
from tests.unit.store.row_tables import VISITS

USER = ErasedUser.of("ada@x", "00" * 16, 77)
VIEWS = Metric(
    name="views",
    title="Views",
    window=tumbling(minutes=1),
    key=("userId",),
    measures=(Count("views"), Distinct("pages", "pageUrl"), TopK("top", "pageUrl")),
)
BEST = replace(VIEWS, name="best", key=(), measures=(TopK("who", "userId"),))


@pytest.fixture
def store(mongo_url):
    with closing(MongoStore(mongo_url)) as opened:
        opened.prepare([VIEWS, BEST], [VISITS])
        yield opened


def collections_with(url, text="ada@x"):
    return sorted({name for name, _ in values_with(url, [text.encode()])})


def filled(store):
    """Ada and Bob come twice, so that documents have versions; and of a top list that was cut,
    nothing is left of Ada. Returns the changes that name her, and the epochs to go on with."""
    epochs = EpochMaker()
    views, pages, top = tables_of(VIEWS)
    who = replace(tables_of(BEST)[1], capacity=1)
    for at in (0, 60_000):
        theirs = [
            change(views, (at, "ada@x", 1), (at, "bob", 1)),
            change(pages, (at, "ada@x", 5), (at, "bob", 5)),
            change(top, (at, "ada@x", "/", 1), (at, "bob", "/", 1)),
        ]
        letter = {"verdict": "dead_letter", "raw": b"ada@x", "user_id": "ada@x"}
        # Of Coy's visit, only what it was at first names Ada.
        visitors = (("ada@x", "a"), ("bob", "a"), ("coy", "a" if at else "ada@x"))
        put = [(user, at * (user != "coy"), 1.0, text, b"") for user, text in visitors]
        visits = row_changes(VISITS, put=put)
        store.commit(replace(epochs.make(*theirs, uncounted=[letter]), rows=(visits,)))
    for name, count in (("ada@x", 1), ("bob", 5), ("coy", 1)):
        store.commit(epochs.make(change(who, (0, name, count))))
    store.acknowledge(Acknowledgement('["views","ada@x"]', 0, "me", 1, "ada@x again"))
    return epochs, theirs


def erasing(store, epochs):
    with store.snapshot() as snapshot:
        removed = [
            replace(
                change(table),
                rows=snapshot.scan(Scan(table)).filter(pl.col("userId") == "ada@x"),
            )
            for table in tables_of(VIEWS)
        ]
        gone = snapshot.rows(VISITS, pl.DataFrame({VISITS.group_key[0]: ["ada@x"]}))
    epoch = epochs.make(admitted=0)
    return replace(
        epoch,
        spans=(),
        ledger=epoch.ledger.clear(),
        uncounted=epoch.uncounted.clear(),
        rows=(replace(row_changes(VISITS), delete=gone.select(VISITS.primary_key)),),
        erasure=Erasure(USER, tuple(removed), (('["views","ada@x"]', 0),)),
    )


@pytest.mark.parametrize("at_once", [1, 2, overwriting.SLICE_DOCUMENTS])
def test_nothing_names_a_user_when_it_has_ended(store, mongo_url, monkeypatch, at_once):
    monkeypatch.setattr(overwriting, "SLICE_DOCUMENTS", at_once)
    epochs, _ = filled(store)
    holds = collections_with(mongo_url)
    assert {"views", "views__pages", "views__top", "best__who", "_groups", VISITS.name} < {*holds}
    views, *_ = tables_of(VIEWS)
    with store.snapshot() as before:
        with monkeypatch.context() as dying:
            dying.setattr(mongo_commit, "finish", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                store.commit(erasing(store, epochs))
        # What was decided is carried out by whoever comes, and those who read before still can.
        assert store.progress().epoch == epochs.number
        assert before.scan(Scan(views, equals={"userId": "ada@x"}))[BUCKET_START].len() == 2
        with store.snapshot() as after:
            assert after.scan(Scan(views))["userId"].unique().to_list() == ["bob"]
            assert check_sums(after, [VIEWS, BEST], row_tables=[VISITS]).is_sound
        assert store.erased_users(only_pending=True) == [USER]
        slices = []
        assert finish_erasures(None, store, lambda: slices.append(1)) == 0
        # So that nobody takes over from who is at it for long.
        assert len(slices) >= 20 // at_once
        with pytest.raises(SnapshotTooOld):
            before.scan(Scan(views))
    assert collections_with(mongo_url) == ["_uncounted"]
    assert {"views", "views__top", VISITS.name} < {*collections_with(mongo_url, "bob")}
    assert (store.erased_users(only_pending=True), store.erased_users()) == ([], [USER])
    with store.snapshot() as snapshot:
        assert check_sums(snapshot, [VIEWS, BEST], row_tables=[VISITS]).is_sound
        assert not snapshot.acknowledgements(-1, 10**9)


def test_who_comes_again_is_pending_again(store):
    epochs, _ = filled(store)
    store.commit(erasing(store, epochs))
    store.end_erasures()
    store.commit(epochs.make(admitted=0, uncounted=[{"verdict": "erased"}]))
    assert store.erased_users(only_pending=True) == [USER]
