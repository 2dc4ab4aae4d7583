from collections import Counter

import pytest

from rtcdp.clock import HOUR_MS
from rtcdp.events.codec import decode, is_clean
from rtcdp.sources.synthetic.bulk import CHUNK_EVENTS, MAX_SET_BACK_MS, START_MS, bench_events


@pytest.fixture(scope="module")
def events():
    lines = b"".join(bench_events(20_000)).splitlines()
    return [decode(line) for line in lines]


def test_chunks_hold_exactly_the_number_of_events():
    counts = [chunk.count(b"\n") for chunk in bench_events(CHUNK_EVENTS + 5)]
    assert counts == [CHUNK_EVENTS, 5]


def test_every_chunk_is_clean():
    assert all(is_clean(chunk) for chunk in bench_events(5_000))


def test_the_same_seed_makes_the_same_bytes():
    assert list(bench_events(1_000, seed=3)) == list(bench_events(1_000, seed=3))
    assert list(bench_events(1_000, seed=3)) != list(bench_events(1_000, seed=4))


def test_types_are_seven_to_two_to_one(events):
    kinds = Counter(event.event_type for event in events)
    assert kinds["PAGE_VIEW"] == pytest.approx(14_000, rel=0.05)
    assert kinds["ADD_TO_CART"] == pytest.approx(4_000, rel=0.05)
    assert kinds["PURCHASE"] == pytest.approx(2_000, rel=0.05)


def test_users_are_all_alike(events):
    users = Counter(event.user_id for event in events)
    assert min(users) == "user_0000"
    assert max(users) == "user_0999"
    assert max(users.values()) < 60


def test_times_are_sorted_but_for_five_seconds(events):
    times = [event.timestamp_ms for event in events]
    assert min(times) >= START_MS - MAX_SET_BACK_MS
    assert max(times) < START_MS + HOUR_MS
    latest = 0
    for time_ms in times:
        assert time_ms >= latest - MAX_SET_BACK_MS
        latest = max(latest, time_ms)
    assert times != sorted(times)


def test_times_fill_the_hour_evenly_over_chunks():
    lines = b"".join(bench_events(2 * CHUNK_EVENTS)).splitlines()
    minutes = Counter((decode(line).timestamp_ms - START_MS) // 60_000 for line in lines[::20])
    assert max(minutes.values()) < 1.5 * min(minutes[minute] for minute in range(60))


def test_ids_are_there_on_demand(events):
    assert len({event.event_id for event in events}) == len(events)
    assert b"eventId" not in b"".join(bench_events(100, with_ids=False))


def test_an_event_is_about_two_hundred_bytes():
    (chunk,) = bench_events(1_000)
    assert 180 < len(chunk) / 1_000 < 220


def test_only_carts_and_purchases_have_a_value(events):
    assert {event.event_type for event in events if event.value} == {"ADD_TO_CART", "PURCHASE"}
    assert all(event.value for event in events if event.event_type != "PAGE_VIEW")


def test_each_event_is_on_the_page_of_its_product(events):
    assert all(event.page_url == f"/products/{event.product_id}" for event in events)
