"""From messages to columns, and the buffer of one partition."""

from dataclasses import dataclass

from rtcdp.log.kafka.messages import MESSAGE_BYTES, Feed, Run, runs_of


@dataclass
class Consumed:
    """A message as the client gives it."""

    of: int
    at: int
    what: bytes | None = b"x"
    time_ms: int = 1_000
    marks: list[tuple[str, bytes | None]] | None = None

    def partition(self) -> int:
        return self.of

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.what

    def timestamp(self) -> tuple[int, int]:
        return (1 if self.time_ms >= 0 else 0, self.time_ms)

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.marks


def run(*offsets: int, partition: int = 0, value: bytes | None = b"x") -> Run:
    (only,) = runs_of([Consumed(partition, offset, value) for offset in offsets])
    return only


def given(feed: Feed, max_bytes: int = 10**6) -> tuple[int, list[int], int]:
    batch = feed.give(max_bytes)
    assert len(batch.values) == len(batch.offsets) == len(batch.timestamps)
    return batch.first_offset, batch.offsets.tolist(), batch.next_offset


def test_messages_become_columns():
    headers = [("rtcdp-source", b"web")]
    (only,) = runs_of(
        [Consumed(3, 7, b"a", 5), Consumed(3, 8, None, -1, headers), Consumed(3, 9, b"ccc", 6)]
    )
    assert only.partition == 3
    assert only.offsets.tolist() == [7, 8, 9]
    assert only.values == [b"a", None, b"ccc"]
    assert only.times.tolist() == [5, -1, 6]
    assert only.headers == [None, headers, None]
    assert only.byte_count == 4 + 3 * MESSAGE_BYTES


def test_offsets_may_be_missing_in_between():
    assert run(4, 5, 9).offsets.tolist() == [4, 5, 9]


def test_messages_are_told_apart_by_partition():
    mixed = [(0, 1), (0, 2), (1, 1), (0, 3), (2, 8), (2, 9)]
    runs = list(runs_of([Consumed(*place) for place in mixed]))
    assert [(r.partition, r.offsets.tolist()) for r in runs] == [
        (0, [1, 2]),
        (1, [1]),
        (0, [3]),
        (2, [8, 9]),
    ]
    assert all(r.headers is None for r in runs)


def test_a_feed_gives_what_was_added():
    feed = Feed(0, 5)
    assert given(feed) == (5, [], 5)
    feed.add(run(5, 6))
    feed.add(run(7))
    assert given(feed) == (5, [5, 6, 7], 8)
    assert given(feed) == (5, [5, 6, 7], 8), "they stay until they are forgotten"
    feed.forget_before(7)
    assert given(feed) == (7, [7], 8)
    feed.forget_before(8)
    assert given(feed) == (8, [], 8)
    assert feed.byte_count == 0


def test_a_feed_gives_about_as_much_as_is_asked_for():
    feed = Feed(0, 0)
    feed.add(run(0, 1, 2, value=b"x" * 36))
    feed.add(run(3, 4, 5, value=b"x" * 36))
    assert given(feed, 1) == (0, [0], 1)
    assert given(feed, 200) == (0, [0, 1], 2)
    assert given(feed, 300) == (0, [0, 1, 2, 3], 4)
    assert given(feed, 500) == (0, [0, 1, 2, 3, 4], 5)
    assert given(feed, 600) == (0, [0, 1, 2, 3, 4, 5], 6)


def test_headers_of_some_are_headers_of_all():
    feed = Feed(0, 0)
    feed.add(run(0))
    for marked in runs_of([Consumed(0, 1, marks=[("a", b"b")])]):
        feed.add(marked)
    assert feed.give(1000).headers == [None, [("a", b"b")]]


def test_offsets_without_a_record_are_passed():
    feed = Feed(0, 5)
    feed.add(run(8, 9))
    assert given(feed) == (5, [8, 9], 10)
    feed.reach(14)
    assert given(feed) == (5, [8, 9], 14)
    feed.forget_before(12)
    assert given(feed) == (12, [], 14)


def test_the_end_is_known_until_more_comes():
    feed = Feed(0, 5)
    assert not feed.at_end
    feed.reach(5)
    assert feed.at_end
    feed.add(run(5))
    assert not feed.at_end
    feed.reach(4)
    assert (feed.at_end, feed.end) == (False, 6), "an end of earlier is none"


def test_messages_from_before_are_left_out():
    feed = Feed(0, 5)
    feed.add(run(3, 4))
    feed.add(run(4, 5, 6))
    feed.add(run(5, 6))
    assert given(feed) == (5, [5, 6], 7)


def test_a_feed_holds_the_places_where_reading_can_go_on():
    feed = Feed(0, 5)
    feed.add(run(5, 6))
    feed.forget_before(6)
    assert [feed.holds(offset) for offset in (5, 6, 7, 8)] == [False, True, True, False]
