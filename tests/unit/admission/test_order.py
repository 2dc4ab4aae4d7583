"""In which order records are decided."""

import numpy as np

from rtcdp.admission.order import due_times, lined_up
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog


def test_due_times_never_run_backwards_and_hold_nobody_up() -> None:
    assert due_times(np.array([1, 5, 3, 9, 4], np.int64)).tolist() == [1, 3, 3, 4, 4]


def test_records_of_all_partitions_are_lined_up_by_partition_whatever_comes_first() -> None:
    log = MemoryLog(partitions=2)
    body = b'{"userId":"u","timestamp":1,"eventType":"A"}\n'
    for partition, received_at in ((1, 5), (0, 9), (1, 3)):
        log.append([Delivery(body, 1, received_at)], partition)
    pieces = [log.read(partition, 0, 10**6) for partition in (1, 0)]
    partitions, offsets, due = lined_up(pieces)
    assert partitions.tolist() == [0, 1, 1]
    assert offsets.tolist() == [0, 0, 1]
    assert due.tolist() == [9, 3, 3]
