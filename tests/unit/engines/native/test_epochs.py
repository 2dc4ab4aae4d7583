"""What an epoch says of the records that it is made of."""

from rtcdp.admission.batch import admit, decode_batch
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.commit import progress_after
from rtcdp.engines.native.epochs import epoch_after
from rtcdp.log.contract import Delivery
from rtcdp.store import Epoch, EpochSpan, Progress
from rtcdp.store.rules import check_balance
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
BEFORE = Progress(7, {0: 1, 3: 9}, {0: NOW + 50, 3: 5}, engine="native", log_id="log")


def line(timestamp: int) -> bytes:
    return f'{{"userId":"u","timestamp":{timestamp},"eventType":"A"}}\n'.encode()


def log_with_gaps() -> MemoryLog:
    """Three partitions: records and a gap, only a rejected record, only a gap."""
    log = MemoryLog(partitions=3)
    log.append([Delivery(line(NOW), 1, NOW), Delivery(line(NOW + 3), 1, NOW + 1)])
    log.leave_out(2)
    log.append([Delivery(line(NOW - 4), 1, NOW + 2)])
    log.append([Delivery(b"", 0, NOW + 8, rejects=((0, b"bad"),))], 1)
    log.leave_out(4, 2)
    return log


def epoch_of(log: MemoryLog, log_id: str = "log") -> Epoch:
    first, rest = log.read(0, 1, 10**6).until(3), log.read(0, 3, 10**6)
    pieces = [rest, log.read(2, 0, 10**6), first, log.read(1, 0, 10**6)]
    decoded = decode_batch(pieces, (), AdmissionRules())
    batch = admit(decoded, SeenIds(1000))
    return epoch_after(BEFORE, decoded, batch, (), log_id)


def test_there_is_one_span_for_each_partition_with_its_own_range_of_event_times() -> None:
    assert epoch_of(log_with_gaps()).spans == (
        EpochSpan(0, 1, 5, NOW - 4, NOW + 3),
        EpochSpan(1, 0, 1, None, None),
        EpochSpan(2, 0, 4, None, None),
    )


def test_offsets_without_a_record_are_gaps_and_the_epoch_balances() -> None:
    epoch = epoch_of(log_with_gaps())
    assert (epoch.number, epoch.gaps) == (8, 6)
    check_balance(epoch)


def test_the_newest_intake_time_never_runs_backwards() -> None:
    assert epoch_of(log_with_gaps()).max_received_at == {0: NOW + 50, 1: NOW + 8, 2: 0}


def test_the_progress_keeps_what_the_epoch_does_not_touch() -> None:
    after = progress_after(BEFORE, epoch_of(log_with_gaps()))
    assert after.epoch == 8
    assert after.next_offsets == {0: 5, 1: 1, 2: 4, 3: 9}
    assert after.max_received_at == {0: NOW + 50, 1: NOW + 8, 2: 0, 3: 5}
    assert after.log_id == "log"


def test_a_log_without_a_name_leaves_the_known_one() -> None:
    assert progress_after(BEFORE, epoch_of(log_with_gaps(), log_id="")).log_id == "log"
