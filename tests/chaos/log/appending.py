"""A process that appends to an embedded log and says after each group what is acknowledged.

Usage: appending.py DIRECTORY GROUPS RECORDS_PER_GROUP [FILE_SIZE_LIMIT]

Record n of the log is `record(n)`. It says `acked NEXT_OFFSET`, `unavailable` or `failed`, a
line each. After `unavailable` it tries the same group again, after `failed` the next one.
"""

import resource
import sys
import time
from pathlib import Path

from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery, LogFailed, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter


def record(n: int) -> bytes:
    return b'{"n":%d,"padding":"%s"}' % (n, b"%07d" % n * 100)


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    directory, groups, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
    writer = EmbeddedLogWriter(directory, SystemClock())
    next_offset = EmbeddedLogReader(directory).extent(0).next_offset
    while groups > 0:
        records = range(next_offset, next_offset + size)
        lines = b"".join(record(n) + b"\n" for n in records)
        try:
            (placed,) = writer.append([Delivery(lines, size, 1000)])
        except LogUnavailable:
            say("unavailable")
            time.sleep(0.01)
            continue
        except LogFailed:
            say("failed")
        else:
            next_offset = placed.first_offset + size
            say(f"acked {next_offset}")
        groups -= 1


if __name__ == "__main__":
    main()
