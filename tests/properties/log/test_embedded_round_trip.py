"""Whatever is appended, however it is grouped, stored and read: every record comes back as it was,
at its own offset."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, RawRecord
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.limits import Retention

line = st.binary(max_size=12).filter(lambda raw: b"\n" not in raw)
record = st.one_of(st.tuples(st.just(True), line), st.tuples(st.just(False), st.binary(max_size=8)))


@st.composite
def deliveries(draw):
    records = draw(st.lists(record, max_size=8))
    verified = [raw for is_verified, raw in records if is_verified]
    return Delivery(
        lines=b"".join(raw + b"\n" for raw in verified),
        line_count=len(verified),
        received_at=draw(st.integers(0, 3)),
        source=draw(st.sampled_from(["web", "shop", "Ünïcode ☃"])),
        intake=draw(st.sampled_from(["live", "import"])),
        rejects=tuple((i, raw) for i, (is_verified, raw) in enumerate(records) if not is_verified),
        replay_of=draw(st.sampled_from([None, None, "0:7"])),
    )


groups = st.lists(st.lists(deliveries(), max_size=4), max_size=4)


def records_in(delivery, first_offset):
    """A delivery's records, said another way than the log does."""
    raws = delivery.lines.split(b"\n")[:-1]
    for index, raw in delivery.rejects:
        raws.insert(index, raw)
    return [
        RawRecord(
            partition=0,
            offset=first_offset + index,
            received_at=delivery.received_at,
            source=delivery.source,
            intake=delivery.intake,
            raw=raw,
            replay_of=delivery.replay_of,
        )
        for index, raw in enumerate(raws)
    ]


def is_odd(delivery, index):
    return delivery.replay_of is not None or index in dict(delivery.rejects)


@settings(max_examples=60)
@given(groups, st.sampled_from([1, 30, 10_000]), st.integers(1, 80))
def test_every_record_comes_back_from_every_start(groups, max_chunk_bytes, max_bytes):
    with tempfile.TemporaryDirectory() as name:
        writer = EmbeddedLogWriter(Path(name), ManualClock(), max_chunk_bytes=max_chunk_bytes)
        reader = EmbeddedLogReader(Path(name))
        expected, odd = [], set()
        for group in groups:
            for delivery, placed in zip(group, writer.append(group), strict=True):
                assert placed.first_offset == len(expected)
                assert placed.record_count == delivery.record_count
                for index, each in enumerate(records_in(delivery, len(expected))):
                    odd |= {each.offset} if is_odd(delivery, index) else set()
                    expected.append(each)
        for start in range(len(expected) + 1):
            records = reader.read(0, start, max_bytes)
            assert list(records.each()) == expected[start : records.next_offset]
            assert {each.offset for each in records.odd} == odd & set(
                range(start, records.next_offset)
            )
            assert len(records) > 0 or start == len(expected)
            size = len(records.lines) + sum(len(each.raw) for each in records.odd)
            assert len(records) <= 1 or size <= max_bytes
        writer.close()
        reader.close()


@settings(max_examples=40)
@given(groups, st.data())
def test_after_retention_and_restart_offsets_go_on_and_what_is_left_is_unchanged(groups, data):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        reader = EmbeddedLogReader(directory)
        expected = []
        for group in groups:
            writer = EmbeddedLogWriter(directory, ManualClock())
            for delivery, placed in zip(group, writer.append(group), strict=True):
                assert placed.first_offset == len(expected)
                expected += records_in(delivery, len(expected))
            writer.close()
            committed = data.draw(st.integers(0, len(expected)))
            before = reader.extent(0)
            deleted = reader.expire({0: committed}, Retention(0, 0, 0), now_ms=10)
            after = reader.extent(0)
            assert after.first_offset == before.first_offset + deleted
            assert after.first_offset <= max(committed, before.first_offset)
            assert after.next_offset == len(expected)
            left = reader.read(0, after.first_offset, 10**6)
            assert list(left.each()) == expected[after.first_offset :]
        reader.close()
