"""A batch is counted as the native engine counts it, whatever is wrong with its records."""

import itertools
import json
import random
from collections import defaultdict
from dataclasses import dataclass

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Count, Fold, Metric, tables_of, tumbling
from rtcdp.engines.spark import counting
from rtcdp.folds.sessions import Sessions
from rtcdp.log.contract import summary_mark
from rtcdp.log.envelope import headers_for
from rtcdp.store import RowsRefused, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.verify.judge import PlainRecord, repeated, taken_in
from tests.unit.engines.spark.local_query import LocalQuery, Message, Topic

START_MS = 1_767_225_600_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BY_USER = Metric("by_user", "By user", tumbling(minutes=1), (Count("events"),), ("userId",))


def event(event_id: str | None, at: int, user: str = "ada", **more: object) -> bytes:
    identity = {} if event_id is None else {"eventId": event_id}
    fields = {"userId": user, "timestamp": START_MS + at, "eventType": "A", **more}
    return json.dumps({**identity, **fields}).encode()


def hit(event_id: str | None, at: int, user: str = "ada") -> Message:
    """An event that comes in at its own time, `at` ms after the start."""
    return Message(event(event_id, at, user), START_MS + at)


class Refusing:
    """A store that can't take rows of some users; in everything else another store."""

    def __init__(self, store: SqliteStore, *users: str) -> None:
        self._store, self._users = store, users

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def commit(self, epoch) -> None:
        for change in epoch.changes:
            if change.rows["userId"].is_in(self._users).any():
                raise RowsRefused("planted", "mend it")
        self._store.commit(epoch)


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


def totals(store) -> dict[str, int]:
    with store.snapshot() as snapshot:
        return snapshot.ledger_totals()


def uncounted(store) -> dict[tuple[int, int], str]:
    """Reason by place."""
    with store.snapshot() as snapshot:
        rows = snapshot.uncounted(UncountedScan(limit=100_000))
    return {(p, o): reason for p, o, reason in rows.select("partition", "offset", "reason").rows()}


def admitted(store) -> int:
    (table,) = tables_of(BY_USER)
    return int(store.dump(table)["events"].sum())


STORY = [
    hit("again", 0),
    *(hit(f"other-{n}", n * 2 * HOUR_MS) for n in range(1, 4)),
    hit("again", 6 * HOUR_MS),
    *(hit(f"other-{n}", n * 2 * HOUR_MS) for n in range(4, 12)),
    hit("again", 30 * HOUR_MS),
]


@pytest.mark.parametrize("records", [1, 7, 1_000])
def test_an_id_after_hours_is_another_event_whatever_the_batches(store, records) -> None:
    topic = Topic()
    topic.send(*STORY)
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run(records)
    assert totals(store)["admitted"] == admitted(store) == 14
    assert store.progress().remembered_from == {0: 0}


@pytest.mark.parametrize("records", [1, 7, 1_000])
def test_a_repeat_is_judged_by_any_before_it_not_by_the_first(store, records) -> None:
    topic = Topic()
    topic.send(*(hit("chain", n * 50 * MINUTE_MS) for n in range(5)))
    topic.send(*(hit(f"other-{n}", 5 * HOUR_MS + n) for n in range(8)))
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run(records)
    assert (totals(store)["admitted"], totals(store)["duplicate"]) == (9, 4)
    assert [place[1] for place in uncounted(store)] == [4, 3, 2, 1]


def test_other_content_is_a_conflict_and_the_ledger_says_how_many(store) -> None:
    topic = Topic()
    same, other = event("a", 0), event("a", 0, value=2)
    topic.send(*(Message(value, START_MS + n) for n, value in enumerate((same, same, other, same))))
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run(2)
    assert uncounted(store) == {(0, 1): "duplicate", (0, 2): "conflict", (0, 3): "conflict"}
    assert (totals(store)["duplicate"], totals(store)["conflict"]) == (3, 2)


def test_no_clock_of_a_producer_changes_what_others_are(store) -> None:
    topic = Topic()
    day = 24 * HOUR_MS
    topic.send(hit("a", 0), Message(event("young", 0), 59_000))
    for n in range(80):
        topic.send(hit(f"ahead-{n}", 10 * day + n))
    topic.send(hit("a", 150_000), hit("b", 160_000))
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run(1)
    assert uncounted(store) == {(0, 1): "future", (0, 82): "conflict"}
    assert totals(store)["admitted"] == 82


def test_a_far_older_record_is_no_duplicate(store) -> None:
    topic = Topic()
    topic.send(hit("a", 10 * HOUR_MS), hit("a", 0))
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run()
    assert totals(store)["admitted"] == 2


def test_what_was_decided_is_not_judged_again_by_other_rules(store) -> None:
    topic = Topic()
    topic.send(*(Message(event(f"e{n}", 0), START_MS + 400_000) for n in range(10)))
    topic.send(*(Message(event(f"late-{n}", 0), START_MS + 900_000) for n in range(3)))
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules())
    query.run()
    topic.send(*(Message(event(f"e{n}", 401_000), START_MS + 401_000) for n in range(10)))
    topic.send(*(Message(event(f"late-{n}", 901_000), START_MS + 901_000) for n in range(3)))
    for lateness_ms, anew in ((1_000, True), (10**9, False)):
        query.rules = AdmissionRules(allowed_lateness_ms=lateness_ms)
        query.start(anew=anew)
        query.run(12)
    found = totals(store)
    assert (found["admitted"], found["duplicate"], found["late"]) == (13, 10, 3)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_record_that_the_store_refuses_is_set_aside_and_the_others_count(
    store, partitions
) -> None:
    topic = Topic()
    for n in range(120):
        user = "bad" if n in (41, 77) else f"user-{n}"
        topic.send(hit(f"e{n}", n, user), partition=n % partitions)
    query = LocalQuery(topic, Refusing(store, "bad"), [BY_USER], AdmissionRules(), 16)
    query.run()
    assert (admitted(store), totals(store)["dead_letter"]) == (118, 2)
    assert set(uncounted(store).values()) == {"processor_error"}
    assert len(query.troubles) == 2
    assert "could not be counted" in query.troubles[0]


@pytest.mark.parametrize("user", ["good", "bad"])
def test_a_summary_is_as_many_dead_letters_as_it_stands_for_in_whole_batches_and_in_parts(
    store, user
) -> None:
    topic = Topic()
    topic.send(hit("a", 0), hit("b", 1, user))
    headers = headers_for("shop", "live", summary_mark(30))
    topic.send(Message(b"{", START_MS + 2, headers), Message(b"[", START_MS + 3))
    query = LocalQuery(topic, Refusing(store, "bad"), [BY_USER], AdmissionRules())
    query.run()
    failed = user == "bad"
    found = totals(store)
    assert (found["received"], found["dead_letter"]) == (33, 31 + failed)
    with store.snapshot() as snapshot:
        shop = snapshot.ledger().filter(source="shop").select("received", "dead_letter")
    assert shop.rows() == [(30, 30)]


@dataclass(frozen=True)
class Poisoned(Sessions):
    """Sessions that can't be made of one user's events."""

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        if (events["userId"] == "bad").any():
            raise ZeroDivisionError("planted")
        return events


def test_a_record_that_a_fold_fails_at_is_set_aside_and_the_others_are_told(store, tmp_path):
    topic = Topic()
    for n in range(60):
        topic.send(hit(f"e{n}", n * 7 * MINUTE_MS, "bad" if n == 23 else f"u{n % 3}"), partition=0)
    folds = (Fold("visits", "Visits", Poisoned()), Fold("plain", "Plain", Sessions(gap_ms=1)))
    told = (folds, f"sqlite:{tmp_path / 'store.db'}")
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules(), folds=told)
    query.run(25)
    assert uncounted(store) == {(0, 23): "processor_error"}
    assert any("offset 23 of partition 0" in each for each in query.troubles)
    assert admitted(store) == 59
    visits, plain = (store.dump(fold.table) for fold in folds)
    assert visits["event_count"].sum() == plain["event_count"].sum() == plain.height == 59
    assert visits.height == 4
    assert "bad" not in visits["userId"]


def test_the_id_of_a_record_that_was_set_aside_is_not_taken(store) -> None:
    topic = Topic()
    topic.send(hit("x", 0, "bad"), hit("y", 1), hit("x", 2, "good"), hit("x", 2, "good"))
    LocalQuery(topic, Refusing(store, "bad"), [BY_USER], AdmissionRules()).run()
    assert uncounted(store) == {(0, 0): "processor_error", (0, 3): "duplicate"}
    assert totals(store)["admitted"] == 2


def test_when_every_record_fails_it_is_not_their_fault(store, monkeypatch) -> None:
    monkeypatch.setattr(counting, "LEFT_OUT_IN_A_ROW_MAX", 3)
    topic = Topic()
    topic.send(*(hit(None, n, "bad") for n in range(20)))
    with pytest.raises(RowsRefused):
        LocalQuery(topic, Refusing(store, "bad"), [BY_USER], AdmissionRules()).run()
    assert totals(store)["received"] == 3


def test_a_batch_that_was_counted_half_goes_on_with_the_same_verdicts(store) -> None:
    """Whichever engine goes on finds every earlier record of an id among the recorded verdicts."""
    topic = Topic()
    topic.send(*(hit(f"e{n % 50}", 2 * n) for n in range(100)))
    topic.send(*(hit(f"e{n % 70}", 2 * n + 1) for n in range(100)), partition=1)
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules(), 16)
    commits = itertools.count()

    def crash_in_the_middle() -> None:
        if next(commits) == 3:
            raise KeyboardInterrupt

    query.on_commit = crash_in_the_middle
    counting_in_parts(query)
    with pytest.raises(KeyboardInterrupt):
        query.run()
    assert 0 < totals(store)["received"] < 200
    query.on_commit = lambda: None
    query.start(anew=True)
    query.run()
    assert (totals(store)["admitted"], admitted(store)) == (70, 70)


def test_a_new_index_is_whole_before_anything_is_counted(store) -> None:
    """However unevenly what is decided lies in the partitions, and however little a batch takes."""
    topic = Topic()
    topic.send(hit("first", 0))
    topic.send(*(hit(f"e{n}", n) for n in range(100)), partition=1)
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules())
    query.run()
    topic.send(hit("e99", 200))
    query.start(anew=True)
    query.run(10)
    assert uncounted(store) == {(0, 1): "conflict"}
    assert totals(store)["received"] == 102


def counting_in_parts(query: LocalQuery) -> None:
    """Cut this query's batches as if their duplicates were large."""
    query.counting._bounded = lambda kept, batch, whole: counting.bounded(
        counting._with_places(kept, batch, whole), 3_000
    )


def test_60_000_late_records_are_bounded_on_the_driver(store) -> None:
    topic = Topic()
    noise = random.Random(1)
    for n in range(60_000):
        value = event(f"e{n}", 0, properties={"noise": noise.randbytes(450).hex()})
        topic.send(Message(value, START_MS + HOUR_MS))
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules())
    query.run()
    assert totals(store)["late"] == 60_000
    assert query.account_bytes < 100_000
    assert query.gathered_bytes < 2 * counting.UNCOUNTED_BYTES_MAX
    assert query.epochs > 3


class Model:
    """The written rule, one record at a time: batches as they came, in a batch by due time."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, list[PlainRecord]] = defaultdict(list)
        self.reached: defaultdict[int, int] = defaultdict(int)
        self.verdicts: dict[tuple[int, int], str] = {}

    def feed(self, topic: Topic, ends: dict[int, int], refused: str) -> None:
        waiting = []
        for partition, end in ends.items():
            start, self.reached[partition] = self.reached[partition], end
            due = None
            for offset in reversed(range(start, end)):
                message = topic.partitions_given[partition][offset]
                due = message.received_at if due is None else min(due, message.received_at)
                waiting.append((due, partition, offset, message))
        for _, partition, offset, message in sorted(waiting, key=lambda each: each[:3]):
            said = json.loads(message.value)
            at, value = message.received_at, message.value
            record = PlainRecord(partition, offset, at, "shop", "live", value)
            earlier = self.seen[said["eventId"]]
            verdict = repeated(record, sorted(earlier, key=taken_in), HOUR_MS)
            if verdict.verdict == "admitted" and said["userId"] == refused:
                self.verdicts[partition, offset] = "processor_error"
                continue
            earlier.append(record)
            if verdict.verdict == "duplicate":
                self.verdicts[partition, offset] = verdict.reason


@pytest.mark.parametrize("seed", range(16))
def test_a_random_walk_ends_where_the_written_rule_does(store, seed) -> None:
    """Batches, partitions, restarts, lost checkpoints, refused records, clocks: one verdict."""
    walk = random.Random(seed)
    topic, model = Topic(), Model()
    partitions = walk.choice([1, 1, 2, 3])
    now = 0
    for each in range(partitions):
        topic.send(hit(f"first-{each}", 0), partition=each)
    query = LocalQuery(
        topic, Refusing(store, "bad"), [BY_USER], AdmissionRules(), walk.choice([3, 50_000])
    )
    for _ in range(walk.randint(3, 8)):
        for _ in range(walk.randint(0, 60)):
            now += walk.choice([0, 1, 1_000, MINUTE_MS, 20 * MINUTE_MS])
            at = now + walk.choice([0, 0, 0, -5, 240 * HOUR_MS, -HOUR_MS])
            user = "bad" if walk.random() < 0.02 else f"user-{walk.randrange(3)}"
            message = Message(event(f"e{walk.randrange(12)}", at, user), START_MS + at)
            topic.send(message, partition=walk.randrange(partitions))
        ends = {
            each: walk.randint(model.reached[each], topic.extent(each).next_offset)
            for each in range(partitions)
        }
        query.step(ends)
        model.feed(topic, ends, "bad")
        if walk.random() < 0.4:
            query.start(anew=walk.random() < 0.5)
    assert uncounted(store) == model.verdicts
    assert totals(store)["admitted"] == admitted(store)
