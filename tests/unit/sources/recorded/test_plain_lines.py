"""Lines of files, sent as they are."""

import gzip
from pathlib import Path

import pytest

from rtcdp.errors import PartMissing
from rtcdp.sources.recorded import plain_lines
from rtcdp.sources.recorded.plain_lines import check_readable, send_lines
from rtcdp.sources.sinks import Receipt


class Kept:
    """A sink that keeps what comes, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def write(self, lines):
        self.batches.append(list(lines))
        return Receipt(accepted=len(lines))

    def close(self) -> None: ...


def test_every_line_that_is_not_blank_is_sent_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(plain_lines, "BATCH_LINES", 2)
    plain, packed = tmp_path / "a", tmp_path / "b.gz"
    plain.write_bytes(b'{"a":1}\r\n\n  \nnot json\n')
    packed.write_bytes(gzip.compress(b"{}"))
    sink, seen = Kept(), []
    sent = send_lines([plain, packed], sink, lambda _: False, seen.append)
    assert sink.batches == [[b'{"a":1}', b"not json"], [b"{}"]]
    assert (sent.records, sent.receipt.accepted, seen) == (3, 3, [2, 3])
    stopped = send_lines([plain, packed], Kept(), lambda _: True)
    assert stopped.records == 2


def test_what_comes_before_a_break_is_sent_and_the_break_told(tmp_path: Path) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"{}\n" * 9000)[:-20])
    sent = send_lines([torn], Kept(), lambda _: False)
    assert sent.records
    assert "torn.gz is damaged" in sent.damage[0]


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartMissing, match="nowhere"):
        check_readable([tmp_path / "nowhere"])
