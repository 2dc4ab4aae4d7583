"""A writer and a reader in two processes: nothing is missed, nothing is seen twice."""

import subprocess
import sys
from pathlib import Path

from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.log.limits import Retention

WRITER = """
import sys
from pathlib import Path
from rtcdp.clock import SystemClock
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.log.contract import Delivery

writer = EmbeddedLogWriter(Path(sys.argv[1]), SystemClock())
for n in range(int(sys.argv[2])):
    writer.append([Delivery(b"%d\\n" % n, 1, 1000 + n)])
writer.close()
"""


def test_a_reader_follows_a_writer_in_another_process(tmp_path: Path):
    count = 500
    reader = EmbeddedLogReader(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(count)])
    seen, offset = b"", 0
    while offset < count:
        assert reader.wait({0: offset}, timeout_s=60)
        records = reader.read(0, offset, 1000)
        assert records.offsets.tolist() == list(range(offset, records.next_offset))
        seen, offset = seen + records.lines, records.next_offset
    assert writer.wait() == 0
    assert seen.split() == [b"%d" % n for n in range(count)]
    reader.close()


def test_a_reader_deletes_while_a_writer_in_another_process_appends(tmp_path: Path):
    count = 300
    reader = EmbeddedLogReader(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(count)])
    offset = deleted = 0
    while offset < count:
        assert reader.wait({0: offset}, timeout_s=60)
        offset = reader.read(0, offset, 1000).next_offset
        deleted += reader.expire({0: offset}, Retention(0, 0, 0), now_ms=10**6)
    assert writer.wait() == 0
    extent = reader.extent(0)
    assert (deleted, extent.first_offset, extent.next_offset) == (count, count, count)
    reader.close()
