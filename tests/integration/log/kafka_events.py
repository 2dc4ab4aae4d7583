"""Events to append, and hands to read a log."""

import time
from collections.abc import Callable, Mapping

from rtcdp.log.contract import LogReader, RawRecord

T = 1_767_225_600_000
"""2026-01-01T00:00:00.000Z, the intake time of what tests append."""


def event(user: str, number: int = 0) -> bytes:
    return b'{"userId":"%s","timestamp":%d,"eventType":"A"}' % (user.encode(), number)


def lines(*records: bytes) -> bytes:
    return b"".join(record + b"\n" for record in records)


def all_of(
    log: LogReader, starts: Mapping[int, int] | None = None, max_bytes: int = 2**20
) -> list[RawRecord]:
    """Every record, partition by partition."""
    records = []
    for partition in log.partitions():
        offset = (starts or {}).get(partition, 0)
        while len(read := log.read(partition, offset, max_bytes)):
            assert read.first_offset == offset
            records += read.each()
            offset = read.next_offset
    return records


def eventually(is_true: Callable[[], bool], timeout_s: float = 180) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def while_it_lasts(
    call: Callable[[], object], *meanwhile: type[Exception], timeout_s: float = 180
) -> None:
    """Call until it raises another error than `meanwhile`; fail when it gives new records."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            given = call()
        except meanwhile:
            continue
        assert not getattr(given, "record_count", 0), "records of another topic were given"
        time.sleep(0.005)
