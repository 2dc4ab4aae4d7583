import gzip
import io

import pytest

from rtcdp.errors import PartMissing
from rtcdp.sources.sinks import FileSink, Receipt, StreamSink


def test_a_file_gets_one_line_each(tmp_path):
    sink = FileSink(tmp_path / "events.ndjson")
    assert sink.write([b"1", b"2"]) == Receipt(accepted=2)
    sink.write([])
    sink.write([b"3"])
    sink.close()
    assert (tmp_path / "events.ndjson").read_bytes() == b"1\n2\n3\n"


def test_a_file_with_gz_in_its_name_is_compressed(tmp_path):
    sink = FileSink(tmp_path / "events.ndjson.gz")
    sink.write([b"1", b"2"])
    sink.close()
    assert gzip.decompress((tmp_path / "events.ndjson.gz").read_bytes()) == b"1\n2\n"


def test_a_file_that_can_not_be_made_is_named(tmp_path):
    with pytest.raises(PartMissing, match="nowhere"):
        FileSink(tmp_path / "nowhere" / "events.ndjson")


def test_a_stream_gets_each_batch_at_once():
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw)
    StreamSink(stream).write([b"1", b"2"])
    assert raw.getvalue() == b"1\n2\n"


def test_receipts_add_up():
    total = Receipt(1, 2, 3, 4, 5) + Receipt(10, 20, 30, 40, 50)
    assert total == Receipt(11, 22, 33, 44, 55)
    assert total.sent == 66
