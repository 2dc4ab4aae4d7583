"""However messages come, with holes and from the past, and however they are asked for: each one is
given once, in order, and no offset is passed over that has one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.log.kafka.messages import Feed
from tests.unit.log.kafka.test_messages import Consumed, runs_of

FIRST = 100


@st.composite
def arrivals(draw):
    """Offsets in the order of their arrival, cut into runs; some come twice."""
    offset, runs = FIRST, []
    for _ in range(draw(st.integers(0, 6))):
        run = []
        for _ in range(draw(st.integers(1, 5))):
            offset += draw(st.sampled_from([0, 0, 0, 1, 5]))
            run.append(offset)
            offset += 1
        again = draw(st.integers(0, len(run)))
        runs.append(run)
        if again and draw(st.booleans()):
            runs.append(run[-again:])
    return runs, offset + draw(st.integers(0, 3))


@settings(max_examples=300)
@given(arrivals(), st.data())
def test_a_feed_gives_each_message_once(arrived, data):
    runs, end = arrived
    feed, offset, seen = Feed(0, FIRST), FIRST, []

    def take() -> None:
        nonlocal offset
        feed.forget_before(offset)
        batch = feed.give(data.draw(st.integers(1, 500)))
        assert batch.first_offset == offset
        assert batch.next_offset <= feed.end
        assert all(offset <= at < batch.next_offset for at in batch.offsets)
        assert batch.values == [b"%d" % at for at in batch.offsets]
        seen.extend(batch.offsets.tolist())
        offset = batch.next_offset

    for offsets in runs:
        for run in runs_of([Consumed(0, at, b"%d" % at) for at in offsets]):
            feed.add(run)
        if data.draw(st.booleans()):
            take()
    feed.reach(end)
    while offset < end:
        take()
    assert seen == sorted({at for offsets in runs for at in offsets})
    assert feed.at_end
