"""Old rows go, totals stay, and replayed dead letters are remembered."""

from dataclasses import replace

from rtcdp.definitions import Count
from rtcdp.store import Acknowledgement, Floors, UncountedScan
from rtcdp.testing.epochs import change

MINUTE = 60_000


def test_buckets_that_start_before_the_limit_expire_in_every_table(store, epochs, tables):
    store.commit(
        epochs.make(
            change(tables["views"], (0, "ada", 1, None, None), (MINUTE, "ada", 2, None, None)),
            change(tables["reach__users"], (0, "/a", 1), (0, "/a", 2), (MINUTE, "/a", 3)),
            change(tables["total__panes"], (MINUTE, 1)),
        )
    )
    assert store.expire(buckets_before=MINUTE, uncounted_before=0, offsets_before={}) == 3
    assert store.dump(tables["views"])["window_start"].to_list() == [MINUTE]
    assert store.dump(tables["reach__users"])["member"].to_list() == [3]
    assert store.dump(tables["total__panes"]).height == 1


def test_ledger_minutes_uncounted_records_and_spans_expire_but_totals_stay(store, epochs):
    for received_at in (MINUTE, 5 * MINUTE):
        store.commit(epochs.make(uncounted=[{}], received_at=received_at, event_times=(1, 2)))
    assert store.expire(buckets_before=0, uncounted_before=2 * MINUTE, offsets_before={0: 2}) == 3
    with store.snapshot() as snapshot:
        assert snapshot.ledger()["minute"].to_list() == [5 * MINUTE]
        assert snapshot.uncounted(UncountedScan())["received_at"].to_list() == [5 * MINUTE]
        assert [span.first_offset for span in snapshot.spans(0, 10)] == [2]
        assert snapshot.ledger_totals()["received"] == 4


def test_records_whose_intake_time_was_lost_stay(store, epochs):
    store.commit(epochs.make(uncounted=[{}], received_at=0))
    store.expire(buckets_before=0, uncounted_before=10 * MINUTE, offsets_before={0: 2})
    with store.snapshot() as snapshot:
        assert snapshot.ledger()["minute"].to_list() == [0]
        assert snapshot.uncounted(UncountedScan()).height == 1


def test_epochs_go_on_after_everything_expired(store, epochs, tables):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None)), uncounted=[{}]))
    store.expire(buckets_before=10 * MINUTE, uncounted_before=10 * MINUTE, offsets_before={0: 2})
    assert store.progress().next_offsets == {0: 2}
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    assert store.progress().epoch == 2


def test_replayed_dead_letters_are_marked_once(store, epochs):
    store.commit(epochs.make(uncounted=[{}, {}]))
    store.mark_replayed([(0, 1), (7, 7)], replayed_at=50)
    store.mark_replayed([(0, 1)], replayed_at=60)
    store.mark_replayed([], replayed_at=70)
    with store.snapshot() as snapshot:
        found = snapshot.uncounted(UncountedScan()).select("offset", "replayed_at").rows()
        assert found == [(2, None), (1, 50)]
        assert snapshot.uncounted(UncountedScan(only_not_replayed=True))["offset"].to_list() == [2]


def test_an_alarm_that_was_seen_stays_so_until_it_is_taken_back_or_too_old(store, open_store):
    """Whoever writes beside the engine needs no lease."""
    store.acquire_lease("engine", now_ms=0, ttl_ms=10)
    long_name = "/" + "ä" * 5_000
    seen = [
        Acknowledgement("[]", 0, "ada", 5),
        Acknowledgement(long_name, MINUTE, "bob", 6, "a 'note'\nof 2"),
        Acknowledgement(long_name + "/", MINUTE, "eve", 7),
    ]
    beside = open_store()
    for each in (Acknowledgement("[]", 0, "eve", 1, "first"), *seen):
        beside.acknowledge(each)

    def remembered(since=0):
        with store.snapshot() as snapshot:
            found = snapshot.acknowledgements(since, MINUTE + 1)
        return sorted(found, key=lambda each: each.at)

    assert remembered() == seen
    assert remembered(since=1) == seen[1:]
    assert beside.withdraw_acknowledgement(long_name, MINUTE)
    assert not beside.withdraw_acknowledgement(long_name, MINUTE)
    assert remembered() == [seen[0], seen[2]]
    store.expire(buckets_before=MINUTE, uncounted_before=0, offsets_before={})
    assert remembered() == [seen[2]]


def test_a_dump_is_sorted_by_primary_key(store, epochs, tables):
    rows = [(MINUTE, "ada", 1, None, None), (0, "bob", 1, None, None), (0, "ada", 1, None, None)]
    store.commit(epochs.make(change(tables["views"], *rows)))
    assert store.dump(tables["views"]).rows() == sorted(rows)


def test_a_store_opened_again_is_where_it_was(open_store, store, epochs, tables):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    store.close()
    again = open_store()
    assert again.progress().epoch == 1
    again.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    assert again.dump(tables["views"])["view_count"].to_list() == [2]


def test_what_retention_has_deleted_is_told_and_never_less(store, open_store):
    with store.snapshot() as snapshot:
        assert snapshot.floors == Floors()
    store.expire(buckets_before=60_000, uncounted_before=-5, offsets_before={})
    store.expire(buckets_before=50_000, uncounted_before=7, offsets_before={})
    with open_store().snapshot() as snapshot:
        assert snapshot.floors == Floors(60_000, 7)


def test_from_where_on_a_metric_is_whole_is_remembered_and_never_earlier(store, open_store):
    for complete_from in (50, 70, 60):
        store.limit_completeness("views", complete_from)
    with open_store().snapshot() as snapshot:
        assert snapshot.complete_from("views") == 70
        assert snapshot.complete_from("shop") is None
        assert snapshot.complete_from("unheard of") is None


def test_a_changed_definition_begins_without_it(store, metrics):
    store.limit_completeness("views", 50)
    others = [metric for name, metric in metrics.items() if name != "views"]
    store.prepare([*others, replace(metrics["views"], measures=(Count("view_count"),))])
    with store.snapshot() as snapshot:
        assert snapshot.complete_from("views") is None


def test_an_empty_store_misses_nothing(open_store):
    with open_store().snapshot() as snapshot:
        assert (snapshot.floors, snapshot.complete_from("views")) == (Floors(), None)
