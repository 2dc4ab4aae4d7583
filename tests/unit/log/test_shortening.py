from contextlib import closing

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.piece import Piece
from rtcdp.log.shortening import ShorteningWriter


def test_no_address_reaches_the_log_in_an_event_or_in_what_is_none(tmp_path):
    line = b'{"userId":"ada","timestamp":1,"eventType":"A","properties":{"ip":"192.0.2.9"}}\n'
    piece = Piece("", "ab", 90)
    with (
        closing(EmbeddedLogWriter(tmp_path, ManualClock(5))) as inner,
        closing(ShorteningWriter(inner, ("ip",))) as writer,
    ):
        writer.append([Delivery(line * 2, 2, 7, rejects=((1, b'{"ip":"192.0.2.9"'),), piece=piece)])
        assert writer.pieces_after("") == inner.pieces_after("") == [piece]
    with closing(EmbeddedLogReader(tmp_path)) as log:
        raw = [each.raw for each in log.read(0, 0, 10**6).each()]
    assert raw == [
        line.strip().replace(b".9", b".0"),
        b'{"ip":"192.0.2.0"',
        line.strip().replace(b".9", b".0"),
    ]
