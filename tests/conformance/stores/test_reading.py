"""Reading: pages in a fixed order, from one consistent state; any text comes back as it was."""

import random
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.errors import UsageError
from rtcdp.store import EpochSpan, Progress, Scan, UncountedScan
from rtcdp.testing.epochs import EpochMaker, change

MINUTE = 60_000

SHOP_ROWS = [
    (bucket, page, user, 1, 0, 1, 0, 1)
    for bucket in (-MINUTE, 0, MINUTE)
    for page in ("/a", "/b", "/ü")
    for user in ("ada", "bob", "eve")
]


def in_reading_order(rows):
    return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))


def scan(store, table, **narrowed):
    with store.snapshot() as snapshot:
        return snapshot.scan(Scan(table, **narrowed)).rows()


def pages(store, table, limit, **narrowed):
    """All rows, read a page at a time."""
    found, after = [], None
    while True:
        page = scan(store, table, limit=limit, after=after, **narrowed)
        found += page
        if len(page) < limit:
            return found
        after = page[-1][: len(table.primary_key)]
        assert len(found) <= 100, "the pages turn in a circle"


@pytest.fixture
def shop(store, epochs, tables):
    store.commit(epochs.make(change(tables["shop"], *SHOP_ROWS)))
    return store


def test_rows_come_newest_bucket_first_then_by_key(shop, tables):
    assert scan(shop, tables["shop"]) == in_reading_order(SHOP_ROWS)


def test_a_range_of_buckets_includes_its_start_and_not_its_end(shop, tables):
    found = scan(shop, tables["shop"], bucket_from=-MINUTE, bucket_to=MINUTE)
    assert {row[0] for row in found} == {-MINUTE, 0}


@pytest.mark.parametrize(
    "equals", [{"pageUrl": "/b"}, {"userId": "eve"}, {"userId": "eve", "pageUrl": "/b"}]
)
def test_key_fields_can_be_fixed(shop, tables, equals):
    kept = [
        row
        for row in SHOP_ROWS
        if equals.get("pageUrl", row[1]) == row[1] and equals.get("userId", row[2]) == row[2]
    ]
    assert scan(shop, tables["shop"], equals=equals) == in_reading_order(kept)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "narrowed",
    [
        {},
        {"equals": {"pageUrl": "/b"}},
        {"equals": {"userId": "bob"}},
        {"equals": {"userId": "bob", "pageUrl": "/a"}},
        {"bucket_from": 0},
        {"bucket_to": MINUTE, "equals": {"userId": "ada"}},
    ],
)
def test_pages_together_are_the_whole(shop, tables, limit, narrowed):
    paged = pages(shop, tables["shop"], limit, **narrowed)
    assert paged == scan(shop, tables["shop"], **narrowed)


def test_a_page_may_start_after_a_row_that_is_gone_or_out_of_range(shop, tables):
    found = scan(shop, tables["shop"], after=(5 * MINUTE, "/x", "x"), bucket_to=MINUTE)
    assert {row[0] for row in found} == {-MINUTE, 0}
    assert scan(shop, tables["shop"], after=(-2 * MINUTE, "/x", "x")) == []


def test_a_page_keeps_to_its_range_of_buckets_wherever_it_starts(shop, tables):
    place = (MINUTE, "/a", "ada")
    assert {row[0] for row in scan(shop, tables["shop"], after=place, bucket_to=MINUTE)} == {
        -MINUTE,
        0,
    }
    assert scan(shop, tables["shop"], after=place, bucket_from=2 * MINUTE) == []


def test_a_table_without_key_is_paged_by_its_buckets(store, epochs, tables):
    panes = tables["total__panes"]
    store.commit(epochs.make(change(panes, (0, 1), (10_000, 2), (20_000, 3))))
    assert pages(store, panes, 1) == [(20_000, 3), (10_000, 2), (0, 1)]


def test_a_side_table_is_paged_with_its_members(store, epochs, tables):
    users = tables["reach__users"]
    rows = [(bucket, "/a", member) for bucket in (0, MINUTE) for member in (-5, 0, 5)]
    store.commit(epochs.make(change(users, *rows)))
    assert pages(store, users, 2) == sorted(rows, key=lambda row: (-row[0], row[2]))


def test_a_field_that_is_not_of_the_key_is_refused(shop, tables):
    with pytest.raises(UsageError, match="no key field productId"):
        scan(shop, tables["shop"], equals={"productId": "p"})


@pytest.mark.parametrize("after", [(0,), (0, "/a"), ("0", "/a", "ada"), (0, "/a", "ada", 1)])
def test_a_position_that_is_no_primary_key_is_refused(shop, tables, after):
    with pytest.raises(UsageError, match="not a row"):
        scan(shop, tables["shop"], after=after)


def test_a_metric_that_was_not_prepared_is_empty(open_store, tables, metrics):
    store = open_store()
    store.prepare([metrics["views"]])
    assert scan(store, tables["shop"]) == []
    with store.snapshot() as snapshot:
        groups = pl.DataFrame({"window_start": [0], "pageUrl": ["/a"]})
        assert snapshot.members(tables["reach__top"], groups).is_empty()
    assert store.dump(tables["shop"]).is_empty()


def test_empty_answers_have_the_columns_and_types_of_full_ones(shop, tables):
    with shop.snapshot() as snapshot:
        full = snapshot.scan(Scan(tables["shop"]))
        assert snapshot.scan(Scan(tables["shop"], equals={"userId": "no"})).schema == full.schema
        assert snapshot.ledger(minute_from=10**12).schema == LEDGER_SCHEMA


def test_members_are_those_of_the_given_groups(store, epochs, tables):
    users = tables["reach__users"]
    store.commit(epochs.make(change(users, (0, "/a", 2), (0, "/a", 1), (0, "/b", 3), (1, "/a", 4))))
    groups = pl.DataFrame({"window_start": [1, 0], "pageUrl": ["/a", "/a"]})
    with store.snapshot() as snapshot:
        assert snapshot.members(users, groups).rows() == [(1, "/a", 4), (0, "/a", 1), (0, "/a", 2)]
        assert snapshot.members(users, groups.clear()).is_empty()


def test_items_come_with_the_heaviest_first(store, epochs, tables):
    top = tables["reach__top"]
    store.commit(epochs.make(change(top, (0, "/a", "z", 5), (0, "/a", "y", 9), (0, "/a", "b", 5))))
    groups = pl.DataFrame({"window_start": [0], "pageUrl": ["/a"]})
    with store.snapshot() as snapshot:
        assert snapshot.members(top, groups)["item"].to_list() == ["y", "b", "z"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5, unique=True))
def test_any_text_comes_back_as_it_was(store, tables, texts):
    views = tables["views"]
    epochs = EpochMaker(number=store.progress().epoch)
    rows = [(0, text, 1, None, None) for text in texts]
    store.commit(epochs.make(change(views, *rows), admitted=0))
    for text in texts:
        [row] = scan(store, views, equals={"userId": text})
        assert row[1] == text


@pytest.mark.parametrize(
    "text", ["a\x00b", "'; DROP TABLE views; --", '"', "?1", "%", "\U0001f600"]
)
def test_text_that_means_something_to_a_database_is_only_text(store, epochs, tables, text):
    store.commit(epochs.make(change(tables["views"], (0, text, 1, None, None))))
    assert scan(store, tables["views"], equals={"userId": text}) == [(0, text, 1, None, None)]


def long_texts(length, count):
    """Texts of the longest kind that nothing makes shorter, which begin alike."""
    rng = random.Random(length)
    beginning = "/" + "".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(length - 9))
    return [beginning + "".join(rng.choices("abcdefgh", k=8)) for _ in range(count)]


def test_keys_may_be_as_long_as_an_event_s_fields(store, epochs, tables):
    shop, top, addresses = tables["shop"], tables["reach__top"], long_texts(2048, 3)
    [user] = long_texts(256, 1)
    rows = [(bucket, page, user, 1, 0, 1, 0, 1) for bucket in (0, MINUTE) for page in addresses]
    items = [(0, addresses[0], product, 2) for product in long_texts(256, 3)]
    for _ in range(2):
        store.commit(epochs.make(change(shop, *rows), change(top, *items)))
    twice = [(*row[:3], 2, 0, 2, 0, 2) for row in rows]
    assert store.dump(shop).rows() == sorted(twice)
    assert store.dump(top).rows() == sorted((*item[:3], 4) for item in items)
    assert scan(store, shop, equals={"pageUrl": addresses[1]}) == [
        row for row in reversed(twice) if row[1] == addresses[1]
    ]
    assert sorted(pages(store, shop, 1, equals={"userId": user})) == sorted(twice)
    with store.snapshot() as snapshot:
        groups = pl.DataFrame({"window_start": [0], "pageUrl": [addresses[0]]})
        assert snapshot.members(top, groups)["item_count"].to_list() == [4, 4, 4]


def test_long_keys_of_expired_buckets_go_and_those_of_others_stay(store, epochs, tables):
    shop = tables["shop"]
    old, both = long_texts(2048, 2)
    rows = [(0, old, "ada"), (0, both, "ada"), (MINUTE, both, "ada")]
    store.commit(epochs.make(change(shop, *((*row, 1, 0, 1, 0, 1) for row in rows))))
    assert store.expire(buckets_before=MINUTE, uncounted_before=0, offsets_before={}) == 2
    assert store.dump(shop)["pageUrl"].to_list() == [both]


def test_extreme_numbers_come_back_as_they_were(store, epochs, tables):
    row = (-(2**62), "ada", 2**62, -1.7976931348623157e308, 5e-324)
    store.commit(epochs.make(change(tables["views"], row)))
    assert scan(store, tables["views"]) == [row]


def test_a_snapshot_does_not_see_what_is_committed_after_it(store, epochs, tables):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    with store.snapshot() as snapshot:
        store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
        assert snapshot.progress.epoch == 1
        assert snapshot.scan(Scan(tables["views"]))["view_count"].to_list() == [1]
        assert snapshot.ledger_totals()["received"] == 1
    assert scan(store, tables["views"])[0][2] == 2


def test_a_reader_that_was_there_first_finds_the_store_when_it_appears(open_store, epochs, metrics):
    reader = open_store(read_only=True)
    assert reader.progress() == Progress()
    with reader.snapshot() as snapshot:
        assert snapshot.uncounted(UncountedScan()).is_empty()
        assert snapshot.spans(0, 10) == ()
        assert snapshot.ledger().is_empty()
        assert snapshot.ledger_totals()["received"] == 0
    writer = open_store()
    writer.prepare(tuple(metrics.values()))
    writer.commit(epochs.make())
    assert reader.progress().epoch == 1
    assert list(reader.metrics()) == ["reach", "shop", "total", "views"]


@pytest.mark.usefixtures("store")
def test_a_reader_does_not_write(open_store, epochs):
    with pytest.raises(UsageError):
        open_store(read_only=True).commit(epochs.make())


def test_the_ledger_comes_newest_minute_first_then_by_source(store, epochs):
    for source, received_at in (("b", 0), ("a", 0), ("a", MINUTE), ("a", 2 * MINUTE), ("a", 1)):
        store.commit(epochs.make(source=source, received_at=received_at))
    with store.snapshot() as snapshot:
        places = snapshot.ledger().select("minute", "source", "received").rows()
        assert places == [(2 * MINUTE, "a", 1), (MINUTE, "a", 1), (0, "a", 2), (0, "b", 1)]
        assert snapshot.ledger(minute_from=MINUTE).height == 2
        assert snapshot.ledger(limit=1).height == 1
        page = snapshot.ledger(after=(MINUTE, "a"), limit=1)
        assert page.select("minute", "source").rows() == [(0, "a")]
        page = snapshot.ledger(after=(0, "a"))
        assert page.select("minute", "source").rows() == [(0, "b")]


def test_the_ledgers_totals_cover_all_time(store, epochs):
    store.commit(epochs.make(admitted=3, uncounted=[{"verdict": "late"}, {"verdict": "duplicate"}]))
    store.commit(epochs.make(admitted=2, uncounted=[{}], received_at=5 * MINUTE))
    expected = {"received": 8, "admitted": 5, "duplicate": 1, "late": 1, "dead_letter": 1}
    with store.snapshot() as snapshot:
        assert snapshot.ledger_totals() == {**expected, "conflict": 0, "erased": 0}


UNCOUNTED = [
    {"reason": "future", "user_id": "ada", "raw": b"\xff\x00", "received_at": 3},
    {"reason": "not_json", "source": "shop", "raw": b"", "received_at": 1},
    {"verdict": "late", "user_id": "bob", "event_time": 5, "received_at": 3},
    {"verdict": "duplicate", "event_id": "e", "received_at": 2},
]


@pytest.fixture
def dropped(store, epochs):
    store.commit(epochs.make(uncounted=UNCOUNTED))
    return store


def offsets(store, **narrowed):
    with store.snapshot() as snapshot:
        return snapshot.uncounted(UncountedScan(**narrowed))["offset"].to_list()


def test_uncounted_records_come_newest_first_and_keep_their_bytes(dropped):
    with dropped.snapshot() as snapshot:
        found = snapshot.uncounted(UncountedScan())
    assert found["offset"].to_list() == [3, 1, 4, 2]
    assert found["raw"].to_list() == [None, b"\xff\x00", None, b""]
    assert found["replayed_at"].to_list() == [None] * 4


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({"verdict": "dead_letter"}, [1, 2]),
        ({"verdict": "dead_letter", "reason": "future"}, [1]),
        ({"source": "shop"}, [2]),
        ({"user_id": "bob"}, [3]),
        ({"partition": 1}, []),
        ({"partition": 0, "offset_from": 2, "offset_to": 4}, [3, 2]),
        ({"limit": 2}, [3, 1]),
        ({"after": (3, 0, 3)}, [1, 4, 2]),
        ({"after": (3, 0, 1), "verdict": "dead_letter"}, [2]),
    ],
)
def test_uncounted_records_can_be_narrowed_and_paged(dropped, narrowed, expected):
    assert offsets(dropped, **narrowed) == expected


def test_spans_lead_to_every_event_time_in_a_range(store, epochs):
    for hour, event_times in enumerate([(0, 9), None, (20, 30), (5, 25)]):
        epoch = epochs.make(event_times=event_times)
        store.commit(replace(epoch, committed_at=hour * 3_600_000))
    with store.snapshot() as snapshot:
        assert [span.first_offset for span in snapshot.spans(9, 20)] == [0, 3]
        assert list(snapshot.spans(26, 100)) == [EpochSpan(0, 2, 3, 20, 30)]
        assert list(snapshot.spans(31, 100)) == []


def test_spans_of_many_small_epochs_are_joined_and_cover_the_same(store, epochs):
    for number in range(20):
        store.commit(epochs.make(event_times=(number, number + 1)))
    with store.snapshot() as snapshot:
        [span] = snapshot.spans(7, 8)
    assert span == EpochSpan(0, 0, 20, 0, 20)


def test_spans_do_not_grow_without_end(store, epochs):
    for _ in range(3):
        store.commit(epochs.make(admitted=15_000, event_times=(0, 1)))
    with store.snapshot() as snapshot:
        assert [span.first_offset for span in snapshot.spans(0, 1)] == [0, 15_000, 30_000]
