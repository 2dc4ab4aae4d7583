"""What holds for generated and replayed lines, whatever the dials and the files."""

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.clock import ManualClock
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.recorded.mapping import built_in_mappings, load_mapping
from rtcdp.sources.recorded.replay import Replay, ReplayPlan
from rtcdp.sources.sinks import Receipt
from rtcdp.sources.synthetic.dials import Dials, Quota
from rtcdp.sources.synthetic.stream import EventStream

thirds = st.floats(0, 1 / 3)


@st.composite
def dials(draw):
    return Dials(
        disorder_s=draw(st.floats(0, 500)),
        duplicates=draw(thirds),
        late=draw(thirds),
        malformed=draw(thirds),
        hot_user=draw(st.floats(0, 1)),
        without_ids=draw(st.floats(0, 0.9)),
    )


@given(st.floats(0, 1), st.integers(0, 300), st.randoms(use_true_random=False))
def test_a_quota_is_never_off_by_one(share, items, random):
    quota = Quota(share, Random(random.random()))
    picked = sum(quota.take() for _ in range(items))
    assert abs(picked - share * items) < 1 + 1e-9


@settings(max_examples=50)
@given(st.integers(), st.integers(1, 700), dials(), st.integers(0, 400))
def test_the_verdicts_are_those_that_the_stream_says(seed, users, dials, count):
    stream = EventStream(seed=seed, run_ms=0, users=users, dials=dials)
    lines = stream.lines(range(count))
    events = [event for event in map(decode, lines) if not isinstance(event, Rejection)]
    ids = [event.event_id for event in events if event.event_id is not None]
    assert stream.counts.lines == count
    assert stream.counts.malformed == count - len(events)
    assert stream.counts.duplicate == len(ids) - len(set(ids))
    assert stream.counts.late == sum(event.timestamp_ms < -600_000 for event in events)
    assert abs(stream.counts.malformed - dials.malformed * count) <= 3
    assert abs(stream.counts.late - dials.late * count) <= 3


class _Keeping:
    def __init__(self):
        self.lines = []

    def write(self, lines):
        self.lines.extend(lines)
        return Receipt(accepted=len(lines))

    def close(self):
        pass


_EVENT = b'{"userId":"a","timestamp":1,"eventType":"A"}'
_ROW = b"2019-10-01 00:00:00 UTC,view,1,2,c,b,35.79,u,s"
_LOG = b'::1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "x"'
_HEADER = (
    b"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)
_line = st.one_of(
    st.sampled_from(
        [_EVENT, _ROW, _LOG, _ROW + b'"', b'"' + _ROW, b"", b" ", b"\r", b"\xef\xbb\xbf"]
    ),
    st.binary(max_size=20).map(lambda line: line.replace(b"\n", b'"')),
)


@settings(max_examples=100)
@given(st.sampled_from(built_in_mappings()), st.lists(_line, max_size=30))
def test_every_line_of_a_file_is_an_event_or_sent_as_it_is_or_blank(name, lines):
    first = _HEADER if name == "rees46" else b"no event"
    # A file of which not one line is an event is refused: its mapping is the wrong one.
    good = {"rees46": _ROW, "combined-log": _LOG}.get(name, _EVENT)
    sink = _Keeping()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        path.write_bytes(b"".join(line + b"\n" for line in [first, good, *lines]))
        plan = ReplayPlan((path,), load_mapping(name))
        report = Replay(plan, sink, ManualClock()).run(lambda _: False)
    events = [event for event in map(decode, sink.lines) if not isinstance(event, Rejection)]
    assert report.events + report.raw == len(sink.lines)
    assert len({event.event_id for event in events}) == report.events
    assert not any(b"\n" in line or not line.strip(b" \t\r") for line in sink.lines)
    if name != "rees46":
        assert report.records == 2 + len(lines)
        assert report.blank == sum(not line.strip(b" \t\r") for line in lines)
