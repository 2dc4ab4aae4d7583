"""One consumer: where it reads, what it keeps, when it asks."""

import time

import pytest
from confluent_kafka import KafkaError

from rtcdp.log.contract import LogUnavailable, OffsetsMissing
from rtcdp.log.kafka import KafkaTopic
from rtcdp.log.kafka import stream as kafka_stream
from rtcdp.log.kafka.stream import LOOK_UP, READ_ON, KafkaStream, StreamLimits
from tests.unit.log.kafka_fakes import FakeAdmin, FakeConsumer, FakeMessage, end_at, trouble_at

TOPIC = KafkaTopic("nobody:9092", "events")


@pytest.fixture
def admin() -> FakeAdmin:
    return FakeAdmin({0: 1000, 1: 1000})


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    monkeypatch.setattr(kafka_stream, "Consumer", FakeConsumer)
    monkeypatch.setattr(kafka_stream, "PATIENCE_S", 0.05)


def made(admin: FakeAdmin, limits: StreamLimits = READ_ON) -> tuple[KafkaStream, FakeConsumer]:
    stream = KafkaStream(TOPIC, "group", limits, admin)
    return stream, FakeConsumer.made[-1]


def messages(partition: int, *offsets: int) -> list[FakeMessage]:
    return [FakeMessage(partition, offset) for offset in offsets]


def offsets_of(stream: KafkaStream, partition: int, offset: int, max_bytes: int = 10**6):
    batch = stream.read(partition, offset, max_bytes)
    assert batch.first_offset == offset
    return batch.offsets.tolist(), batch.next_offset


def test_nothing_is_ever_reset_or_committed_by_itself(admin):
    _, consumer = made(admin)
    assert consumer.options["auto.offset.reset"] == "error"
    assert consumer.options["isolation.level"] == "read_committed"
    assert consumer.options["enable.auto.commit"] is False


def test_the_answer_of_a_broker_is_limited_however_many_partitions_it_is_of(admin):
    """What comes is decompressed at once, whatever the queue is to hold."""
    _, consumer = made(admin, StreamLimits(1_000, 3_000, 10_240, 1, 1, fetches_on=True))
    asked = consumer.options
    assert (asked["fetch.message.max.bytes"], asked["fetch.max.bytes"]) == (1_000, 3_000)
    assert asked["queued.max.messages.kbytes"] == 10
    for limits in (READ_ON, LOOK_UP):
        assert limits.fetch_bytes <= limits.answer_bytes <= limits.queue_bytes // 4


def test_reading_on_assigns_once(admin):
    stream, consumer = made(admin)
    consumer.coming = messages(0, 5, 6)
    assert offsets_of(stream, 0, 5) == ([5, 6], 7)
    consumer.coming = messages(0, 7)
    assert offsets_of(stream, 0, 7) == ([7], 8)
    assert consumer.history == [("assign", 0)]
    assert consumer.assigned == {0: 5}


def test_reading_elsewhere_assigns_anew(admin):
    stream, consumer = made(admin)
    consumer.coming = messages(0, 5, 6)
    stream.read(0, 5, 100)
    consumer.coming = messages(0, 2, 3)
    assert offsets_of(stream, 0, 2) == ([2, 3], 4)
    assert consumer.history == [("assign", 0), ("unassign", 0), ("assign", 0)]
    assert consumer.assigned == {0: 2}


def test_of_a_backlog_nothing_is_kept_that_was_handed_out(admin):
    """Of little it is: two may ask, one after the other, what is at the end of a log."""
    stream, consumer = made(admin)
    consumer.coming = messages(0, 5, 6)
    for _ in range(2):
        assert offsets_of(stream, 0, 5) == ([5, 6], 7)
    consumer.coming = messages(0, *range(7, 20))
    assert offsets_of(stream, 0, 7, 300)[1] < 20
    assert not stream.is_at(0, 7)
    assert consumer.history == [("assign", 0)]


def test_what_comes_of_other_partitions_is_kept_for_them(admin):
    stream, consumer = made(admin)
    consumer.coming = messages(0, 0)
    stream.read(0, 0, 1)
    consumer.coming = [*messages(0, 1), *messages(1, 0, 1), *messages(0, 2)]
    assert offsets_of(stream, 1, 0) == ([0, 1], 2)
    assert offsets_of(stream, 0, 1) == ([1, 2], 3)


def test_a_partition_with_enough_is_parked_until_it_was_read(admin):
    limits = StreamLimits(1, 1, 1, 1_000, 1, fetches_on=True)
    stream, consumer = made(admin, limits)
    consumer.coming = messages(0, 0)
    stream.read(0, 0, 1)
    consumer.coming = [*messages(0, *range(1, 20)), *messages(1, 0)]
    stream.read(1, 0, 1)
    assert consumer.assigned == {1: 0}
    assert offsets_of(stream, 0, 1, 300) == ([1, 2, 3, 4], 5)
    assert consumer.assigned == {1: 0}, "there is still a lot of it"
    assert offsets_of(stream, 0, 5, 800)[1] == 17
    assert offsets_of(stream, 0, 17, 10) == ([17], 18)
    assert consumer.assigned == {1: 0, 0: 20}, "it goes on where what came ends"


def test_a_partition_may_run_ahead_while_there_is_room_for_all(admin):
    stream, consumer = made(admin, StreamLimits(1, 1, 1, 2_000, 1, fetches_on=True))
    consumer.coming = messages(0, 0)
    stream.read(0, 0, 1)
    consumer.coming = [*messages(0, *range(1, 20)), *messages(1, 0)]
    stream.read(1, 0, 1)
    assert consumer.assigned == {0: 0, 1: 0}, "more than its share, but less than all"
    consumer.coming = [*messages(0, *range(20, 40)), *messages(1, 1)]
    stream.read(1, 1, 1)
    assert consumer.assigned == {1: 0}


def test_who_looks_up_fetches_nothing_for_later(admin):
    stream, consumer = made(admin, LOOK_UP)
    consumer.coming = messages(0, 5, 6, 7)
    assert offsets_of(stream, 0, 5, 1) == ([5], 6)
    assert consumer.assigned == {}
    assert offsets_of(stream, 0, 6, 1) == ([6], 7)


def test_who_looks_up_much_keeps_nothing_of_it(admin):
    stream, consumer = made(admin, LOOK_UP)
    consumer.coming = [FakeMessage(0, n, b"x" * 50_000) for n in range(30)]
    assert offsets_of(stream, 0, 0, 10**7)[1] == 30
    assert not stream.is_at(0, 30)
    assert consumer.assigned == {}


def test_the_end_is_what_the_broker_says_now(admin):
    stream, consumer = made(admin)
    admin.ends[0] = 5
    assert offsets_of(stream, 0, 5) == ([], 5)
    assert admin.questions == 1
    consumer.coming = [end_at(0, 5)]
    assert offsets_of(stream, 0, 5) == ([], 5)
    admin.ends[0] = 6
    consumer.coming = messages(0, 5)
    assert offsets_of(stream, 0, 5) == ([5], 6)


def test_partitions_at_rest_are_asked_for_together(admin):
    stream, _ = made(admin)
    admin.ends.update({0: 0, 1: 0})
    assert not stream.wait({0: 0, 1: 0}, 0)
    for partition in (0, 1):
        assert offsets_of(stream, partition, 0) == ([], 0)
    assert admin.questions == 1
    for partition in (0, 1):
        assert offsets_of(stream, partition, 0) == ([], 0)
    assert admin.questions == 2, "each answer serves one read"


def test_an_answer_from_before_records_came_is_not_used(admin, monkeypatch):
    monkeypatch.setattr(kafka_stream, "_ENDS_AGE_S", 1_000)
    stream, consumer = made(admin)
    admin.ends.update({0: 0, 1: 0})
    stream.wait({0: 0, 1: 0}, 0)
    assert offsets_of(stream, 0, 0) == ([], 0)
    admin.ends[1] = 2
    consumer.coming = messages(1, 0)
    assert offsets_of(stream, 1, 0) == ([0], 1)
    consumer.later = messages(1, 1)
    assert offsets_of(stream, 1, 1) == ([1], 2)


def test_what_comes_too_late_of_a_parked_partition_is_fetched_again(admin):
    stream, consumer = made(admin, LOOK_UP)
    consumer.coming = messages(0, 5, 6)
    stream.read(0, 5, 1)
    consumer.coming = [*messages(0, 9, 10), *messages(1, 0)]
    stream.read(1, 0, 1)
    consumer.coming = messages(0, 7, 8)
    assert offsets_of(stream, 0, 7) == ([7, 8], 9)


def test_an_end_from_before_it_was_parked_is_not_the_end(admin, monkeypatch):
    monkeypatch.setattr(kafka_stream, "_ASK_AGAIN_S", 1_000)
    stream, consumer = made(admin, LOOK_UP)
    consumer.coming = [*messages(0, 5), end_at(0, 6)]
    stream.read(0, 5, 1)
    consumer.coming = messages(0, 6)
    assert offsets_of(stream, 0, 6) == ([6], 7)
    assert admin.questions == 1


def test_offsets_without_records_are_passed_at_the_end(admin):
    stream, consumer = made(admin)
    admin.ends[0] = 9
    consumer.coming = [*messages(0, 5), end_at(0, 9)]
    assert offsets_of(stream, 0, 5) == ([5], 9)
    assert offsets_of(stream, 0, 9) == ([], 9)


def test_an_offset_after_the_end_is_missing_at_once(admin, monkeypatch):
    monkeypatch.setattr(kafka_stream, "PATIENCE_S", 600)
    began = time.monotonic()
    stream, consumer = made(admin)
    admin.ends[0] = 5
    with pytest.raises(OffsetsMissing, match="7 of 0"):
        stream.read(0, 7, 100)
    assert consumer.assigned == {}
    assert not stream.is_at(0, 7)
    assert time.monotonic() - began < 300


def test_an_offset_that_the_broker_lost_is_missing(admin):
    stream, consumer = made(admin)
    admin.first = 50
    consumer.coming = [*messages(0, 5), trouble_at(0, 6, KafkaError._AUTO_OFFSET_RESET)]
    assert offsets_of(stream, 0, 5) == ([5], 6), "what came before is given"
    with pytest.raises(OffsetsMissing, match="6 of 0"):
        stream.read(0, 6, 100)


def test_a_broker_that_errs_about_an_offset_is_away_for_a_moment(admin):
    stream, consumer = made(admin)
    consumer.coming = [trouble_at(0, 5, KafkaError._AUTO_OFFSET_RESET)]
    with pytest.raises(LogUnavailable):
        stream.read(0, 5, 100)
    consumer.coming = messages(0, 5)
    assert offsets_of(stream, 0, 5) == ([5], 6)


def test_an_offset_that_was_lost_where_it_read_before_does_not_matter(admin):
    stream, consumer = made(admin)
    admin.first = 50
    consumer.coming = [*messages(0, 60), end_at(0, 61)]
    stream.read(0, 60, 100)
    consumer.coming = [trouble_at(0, 5, KafkaError._AUTO_OFFSET_RESET)]
    assert not stream.wait({0: 61}, 0.01)
    consumer.coming = [trouble_at(0, 5, KafkaError._AUTO_OFFSET_RESET), *messages(0, 61)]
    assert offsets_of(stream, 0, 61) == ([61], 62)


def test_a_log_that_lost_what_was_read_is_not_read_on(admin):
    stream, consumer = made(admin)
    consumer.coming = [trouble_at(0, 5, KafkaError._LOG_TRUNCATION)]
    with pytest.raises(OffsetsMissing, match="lost records"):
        stream.read(0, 5, 100)


def test_other_errors_mean_that_the_log_is_away(admin):
    stream, consumer = made(admin)
    consumer.coming = [trouble_at(0, 5, KafkaError.TOPIC_AUTHORIZATION_FAILED)]
    with pytest.raises(LogUnavailable, match="it broke"):
        stream.read(0, 5, 100)
    consumer.coming = messages(0, 5)
    assert offsets_of(stream, 0, 5) == ([5], 6)


def test_records_that_should_be_there_and_do_not_come_are_waited_for_so_long(admin):
    stream, _ = made(admin)
    with pytest.raises(LogUnavailable, match="can't be reached"):
        stream.read(0, 5, 100)


def test_records_that_were_deleted_without_a_word_are_missing(admin):
    stream, _ = made(admin)
    admin.first = 50
    with pytest.raises(OffsetsMissing):
        stream.read(0, 5, 100)


def test_waiting_keeps_what_came(admin):
    stream, consumer = made(admin)
    assert not stream.wait({0: 5, 1: 3}, 0.01)
    consumer.coming = messages(1, 3, 4)
    assert stream.wait({0: 5, 1: 3}, 1)
    assert stream.wait({0: 5, 1: 4}, 1)
    assert offsets_of(stream, 1, 4) == ([4], 5)
    assert not stream.wait({0: 5, 1: 5}, 0.01)
    assert consumer.history == [("assign", 0), ("assign", 1)]


def test_waiting_ends_for_an_error_that_reading_tells(admin):
    stream, consumer = made(admin)
    admin.first = 50
    consumer.coming = [trouble_at(0, 5, KafkaError._AUTO_OFFSET_RESET)]
    assert stream.wait({0: 5}, 1)
    with pytest.raises(OffsetsMissing):
        stream.read(0, 5, 100)


def test_large_messages_are_taken_a_few_at_a_time(admin):
    stream, consumer = made(admin)
    consumer.coming = [FakeMessage(0, n, b"x" * 60_000) for n in range(100)]
    stream.read(0, 0, 10**7)
    consumer.asked.clear()
    consumer.coming = [FakeMessage(0, n, b"x" * 60_000) for n in range(100, 200)]
    stream.read(0, 100, 10**7)
    assert max(consumer.asked) < 50


def test_a_closed_stream_says_so(admin):
    stream, consumer = made(admin)
    stream.close()
    stream.close()
    assert consumer.is_closed
    with pytest.raises(LogUnavailable, match="closed"):
        stream.read(0, 0, 1)
