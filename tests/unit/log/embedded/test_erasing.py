import sqlite3
from contextlib import closing

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter


def records(log):
    return list(log.read(0, 0, 10**6).each())


def test_records_lose_their_bytes_and_nothing_else_changes(tmp_path):
    writer, log = EmbeddedLogWriter(tmp_path, ManualClock(5)), EmbeddedLogReader(tmp_path)
    lines = b"".join(b'{"n":"secret %d"}\n' % n for n in range(9))
    writer.append([Delivery(lines, 9, 7, "till", rejects=((2, b"secret reject"),))])
    writer.append([Delivery(b"", 0, 8, rejects=((0, b"secret sum"),), replay_of="summary:40")])
    before = records(log)
    wanted = (1, 2, 3, 10)
    assert log.erase({0: wanted[:2]}) == 2
    assert log.erase({0: wanted}) == 2
    assert log.erase({0: [*wanted, 99], 1: [0]}) == 0
    for was, now in zip(before, records(log), strict=True):
        if was.offset not in wanted:
            assert now == was
            continue
        assert (now.is_erased, now.raw, now.stands_for) == (True, b"", was.stands_for)
        assert (now.source, now.received_at, now.intake) == (was.source, was.received_at, "live")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [held.count(b"secret %d" % n) for n in range(4)] == [1, 0, 0, 1]
    assert b"secret sum" not in held
    assert b"secret reject" not in held
    writer.close()
    log.close()


@pytest.mark.parametrize("what", ["checksum = checksum + 1", "spans = x'00'"])
def test_a_damaged_chunk_loses_all_its_bytes_and_stays_damaged(tmp_path, what):
    writer, log = EmbeddedLogWriter(tmp_path, ManualClock(5)), EmbeddedLogReader(tmp_path)
    for name in (b"left", b"damaged", b"third"):
        writer.append([Delivery(b'{"n":"%s"}\n' % name * 2, 2, 7)])
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as file:
        file.execute(f"UPDATE chunk SET {what} WHERE first_offset = 2")  # noqa: S608
    assert log.erase({0: [1, 3, 4]}) == 2
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [held.count(name) for name in (b"left", b"damaged", b"third")] == [1, 0, 1]
    found = records(log)
    assert [each.is_corrupt for each in found] == [False, False, True, True, False, False]
    assert [each.is_erased for each in found] == [False, True, False, False, True, False]
    writer.close()
    log.close()


def test_while_somebody_reads_for_long_the_file_is_not_written_anew_again_and_again(tmp_path):
    writer, log = EmbeddedLogWriter(tmp_path, ManualClock(5)), EmbeddedLogReader(tmp_path)
    writer.append([Delivery(b'{"n":"secret"}\n', 1, 7)])
    reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunk").fetchone()
    sizes = []
    for _ in range(3):
        with pytest.raises(LogUnavailable, match="WAL can't be emptied"):
            log.erase({0: [0]})
        sizes.append((tmp_path / "log.db-wal").stat().st_size)
    assert len(set(sizes)) == 1
    reader.close()
    log.erase({0: [0]})
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    writer.close()
    log.close()
