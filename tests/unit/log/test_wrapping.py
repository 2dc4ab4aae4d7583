"""A writer over another one keeps its register within reach."""

from contextlib import closing
from pathlib import Path

import pytest

from rtcdp.clock import SystemClock
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import Delivery, ImportRegister, LogGone, NoClaim
from rtcdp.log.embedded import EmbeddedLogWriter, file_of
from rtcdp.log.piece import Piece
from rtcdp.log.wrapping import WrappingWriter
from rtcdp.testing.memory_log import MemoryLog


def test_the_register_of_the_writer_below_is_asked(tmp_path: Path) -> None:
    inner = EmbeddedLogWriter(tmp_path, SystemClock())
    piece = Piece("ab", "cd", 9)
    inner.append([Delivery(b"", 0, 1, piece=piece)])
    writer = WrappingWriter(inner)
    assert writer.pieces_after("ab") == [piece]
    claim = writer.try_claim("ab")
    assert claim is not None
    assert inner.try_claim("ab") is None
    claim.close()
    writer.close()
    with pytest.raises(RtcdpError):
        inner.pieces_after("ab")


def test_a_log_that_is_gone_is_noticed_by_a_look(tmp_path: Path) -> None:
    with closing(WrappingWriter(EmbeddedLogWriter(tmp_path, SystemClock()))) as writer:
        writer.check_place()
        file_of(tmp_path).unlink()
        with pytest.raises(LogGone):
            writer.check_place()
    WrappingWriter(MemoryLog()).check_place()


def test_without_a_register_nothing_is_known_and_nobody_waits() -> None:
    log = MemoryLog()
    assert not isinstance(log, ImportRegister)
    writer = WrappingWriter(log)
    assert writer.pieces_after("ab") == ()
    assert isinstance(writer.try_claim("ab"), NoClaim)
    assert isinstance(writer.try_claim("ab"), NoClaim)
