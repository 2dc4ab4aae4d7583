import sqlite3
import threading
from contextlib import closing

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.embedded import (
    EmbeddedLogReader,
    EmbeddedLogWriter,
    LogVersionMismatch,
    bring_back_log,
    copy_log,
    file_of,
)


def append(writer, number):
    writer.append([Delivery(b'{"n":%d}\n' % number, 1, 7 + number)])


def raws(directory):
    with closing(EmbeddedLogReader(directory)) as log:
        extent = log.extent(0)
        return log.log_id(), [each.raw for each in log.read(0, extent.first_offset, 10**8).each()]


def test_a_copy_is_the_log_as_it_was_at_one_moment_while_others_append(tmp_path):
    directory, copy, ending = tmp_path / "log", tmp_path / "copy", threading.Event()
    copy.mkdir()
    writer = EmbeddedLogWriter(directory, SystemClock())
    append(writer, 0)
    acknowledged = [1]

    def go_on():
        while not ending.is_set():
            append(writer, acknowledged[0])
            acknowledged[0] += 1

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    for number in range(5):
        before = acknowledged[0]
        (copy / str(number)).mkdir()
        copy_log(directory, file_of(copy / str(number)))
        log_id, copied = raws(copy / str(number))
        assert copied == [b'{"n":%d}' % n for n in range(len(copied))]
        assert before <= len(copied) <= acknowledged[0] + 1
    ending.set()
    thread.join()
    assert log_id == raws(directory)[0]
    bring_back_log(copy / "4", SystemClock())
    with closing(EmbeddedLogWriter(copy / "4", SystemClock(), must_exist=True)) as again:
        append(again, len(copied))
    assert len(raws(copy / "4")[1]) == len(copied) + 1
    append(writer, acknowledged[0])
    writer.close()


def test_a_copy_holds_nothing_of_what_was_deleted(tmp_path):
    writer = EmbeddedLogWriter(tmp_path, ManualClock(5))
    for number in range(3):
        writer.append([Delivery(b'{"n":"secret %d"}\n' % number, 1, 7)])
    with closing(sqlite3.connect(file_of(tmp_path), isolation_level=None)) as file:
        file.execute("PRAGMA secure_delete = OFF")
        file.execute("DELETE FROM chunk WHERE first_offset = 1")
    copy_log(tmp_path, tmp_path / "copy")
    held = (tmp_path / "copy").read_bytes()
    assert [held.count(b"secret %d" % number) for number in range(3)] == [1, 0, 1]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    writer.close()


def test_what_is_no_log_is_neither_copied_nor_brought_back(tmp_path):
    with pytest.raises(LogUnavailable):
        copy_log(tmp_path / "none", tmp_path / "copy")
    with closing(sqlite3.connect(file_of(tmp_path))) as file:
        file.execute("CREATE TABLE other (n)")
    with pytest.raises(LogVersionMismatch):
        bring_back_log(tmp_path, ManualClock(5))
