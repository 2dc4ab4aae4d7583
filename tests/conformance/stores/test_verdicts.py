"""What was decided can be read again, with the rules that decided it, while anybody may ask."""

from dataclasses import replace

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import RECORDED_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.store import EpochSpan, RulesInForce, UncountedScan

MINUTE = 60_000
RULES = AdmissionRules()
STRICT = AdmissionRules(allowed_lateness_ms=1)
LONG = AdmissionRules(dedup_window_ms=7_200_000)


def verdicts(store, *place):
    with store.snapshot() as snapshot:
        found = snapshot.verdicts(*place)
    assert found.schema == RECORDED_SCHEMA
    return found.rows()


def history(store):
    with store.snapshot() as snapshot:
        return list(snapshot.admission_rules())


def test_verdicts_are_given_by_offset(store, epochs):
    late = {"verdict": "late", "reason": "late", "raw": b"bytes"}
    store.commit(epochs.make(admitted=2, uncounted=[{"reason": "future"}, late]))
    store.commit(epochs.make(uncounted=[{"verdict": "duplicate", "reason": "conflict"}]))
    assert verdicts(store, 0, 0, 100) == [
        (2, "dead_letter", "future"),
        (3, "late", "late"),
        (5, "duplicate", "conflict"),
    ]
    assert verdicts(store, 0, 3, 5) == [(3, "late", "late")]
    assert verdicts(store, 1, 0, 100) == []


def test_a_store_that_is_not_there_has_decided_nothing(open_store):
    reader = open_store(read_only=True)
    assert verdicts(reader, 0, 0, 100) == []
    assert history(reader) == []
    with reader.snapshot() as snapshot:
        assert snapshot.kept_time() == KeptTime()


def test_a_snapshot_shows_the_verdicts_of_its_own_epoch(store, epochs):
    store.commit(epochs.make(uncounted=[{}]))
    with store.snapshot() as snapshot:
        store.commit(epochs.make(uncounted=[{}]))
        assert snapshot.verdicts(0, 0, 100)["offset"].to_list() == [1]
    assert [offset for offset, *_ in verdicts(store, 0, 0, 100)] == [1, 3]


def test_what_is_remembered_only_moves_forwards(store, epochs):
    store.commit(epochs.make())
    assert store.progress().remembered_from == {}
    for remembered_from, expected in (({0: 5}, 5), ({0: 3}, 5), ({}, 5), ({0: 6}, 6)):
        store.commit(replace(epochs.make(), remembered_from=remembered_from))
        assert store.progress().remembered_from == {0: expected}


def test_a_partition_is_decided_from_where_it_was_first_read(open_store, metrics, epochs):
    store = open_store()
    store.prepare(tuple(metrics.values()))
    epochs.next_offset = 40
    store.commit(epochs.make())
    store.commit(epochs.make())
    assert store.progress().decided_from == {0: 40}


def test_verdicts_stay_while_the_log_holds_their_records(store, epochs):
    """However old the records say that they are."""
    for received_at in (MINUTE, 2 * MINUTE):
        store.commit(epochs.make(uncounted=[{}], received_at=received_at, event_times=(1, 2)))
    store.expire(buckets_before=0, uncounted_before=2**50, offsets_before={})
    assert [offset for offset, *_ in verdicts(store, 0, 0, 9)] == [1, 3]
    assert store.progress().decided_from == {0: 0}
    store.expire(buckets_before=0, uncounted_before=2**50, offsets_before={0: 3})
    store.expire(buckets_before=0, uncounted_before=2**50, offsets_before={0: 3})
    assert [offset for offset, *_ in verdicts(store, 0, 0, 9)] == [3]
    assert store.progress().decided_from == {0: 3}
    with store.snapshot() as snapshot:
        assert snapshot.uncounted(UncountedScan())["offset"].to_list() == [3]
        # The second one ends after what is left of the log begins.
        assert [span.first_offset for span in snapshot.spans(0, 10)] == [2]


def test_the_rules_in_force_are_a_history(store, epochs):
    assert store.put_rules_in_force(RULES) is None
    assert history(store) == [RulesInForce(1, {}, RULES)]
    store.commit(epochs.make(admitted=3))
    assert store.put_rules_in_force(RULES) is None
    assert store.put_rules_in_force(STRICT) == RULES
    assert store.put_rules_in_force(STRICT) == RULES
    store.commit(epochs.make(admitted=2))
    assert store.put_rules_in_force(STRICT) is None
    assert history(store) == [RulesInForce(1, {}, RULES), RulesInForce(2, {0: 3}, STRICT)]


def test_rules_that_decided_nothing_leave_no_trace(store, epochs):
    store.put_rules_in_force(STRICT)
    assert store.put_rules_in_force(RULES) is None
    store.commit(epochs.make())
    assert store.put_rules_in_force(STRICT) == RULES
    assert store.put_rules_in_force(LONG) == RULES
    assert history(store) == [RulesInForce(1, {}, RULES), RulesInForce(2, {0: 1}, LONG)]
    assert store.put_rules_in_force(RULES) is None
    assert history(store) == [RulesInForce(1, {}, RULES)]


@pytest.mark.parametrize("kept", [KeptTime(), KeptTime(2**45, -5_000, 7, is_suspended=True)])
def test_the_time_is_kept(store, kept):
    store.keep_time(KeptTime(1, 2, 3))
    store.keep_time(kept)
    with store.snapshot() as snapshot:
        assert snapshot.kept_time() == kept


def test_what_is_known_of_quiet_partitions_only_grows(store, epochs):
    both = {each.partition: each for each in (EpochSpan(0, 0, 1, 5, 5), EpochSpan(1, 0, 0, 5, 5))}
    epoch = replace(epochs.make(), spans=tuple(both.values()), max_received_at={0: 900, 1: 100})
    store.commit(epoch)
    assert store.progress().watermark(10) == 90
    store.keep_quiet({1: 500})
    store.keep_quiet({0: 7, 1: 300})
    assert store.progress().watermark(10) == 490
    with store.snapshot() as before:
        store.keep_quiet({1: 800})
        store.commit(epochs.make(received_at=1_000))
        assert before.progress.watermark(10) <= 790
    assert store.progress().watermark(10) == 790
    assert store.progress().max_received_at == {0: 1_000, 1: 100}


def test_rules_and_time_survive_epochs(store, epochs):
    store.put_rules_in_force(RULES)
    store.keep_time(KeptTime(9))
    store.commit(epochs.make(uncounted=[{}]))
    assert history(store) == [RulesInForce(1, {}, RULES)]
    with store.snapshot() as snapshot:
        assert snapshot.kept_time() == KeptTime(9)
