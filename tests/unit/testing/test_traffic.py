from dataclasses import replace

from rtcdp.testing.traffic import HOUR_MS, START_MS, Traffic

TRAFFIC = Traffic(2_000, users=20, request_lines=100)


def test_it_is_as_long_as_it_says():
    assert sum(delivery.record_count for delivery in TRAFFIC.deliveries()) == 2_000


def test_the_same_values_make_the_same_bytes_and_another_seed_others():
    assert list(TRAFFIC.deliveries()) == list(TRAFFIC.deliveries())
    other = replace(TRAFFIC, seed=6)
    assert next(other.deliveries()).lines != next(TRAFFIC.deliveries()).lines


def test_intake_goes_through_the_span_in_order():
    times = [delivery.received_at for delivery in TRAFFIC.deliveries()]
    assert times == sorted(times)
    assert START_MS <= times[0] < times[-1] < START_MS + HOUR_MS


def test_everything_goes_wrong_in_it():
    counts = TRAFFIC.counts()
    assert min(counts.duplicate, counts.late, counts.malformed) > 0
    assert sum(len(delivery.rejects) for delivery in TRAFFIC.deliveries()) == counts.malformed
