from collections.abc import Callable

import pytest

from rtcdp.verify.interleaving import decided_elsewhere, in_decision_order
from rtcdp.verify.judge import Judge, PlainRecord, Rules, Verdict

RULES = Rules(10**9, 10**9, 100)
ADMITTED, DUPLICATE = Verdict("admitted"), Verdict("duplicate", "duplicate")
RAW = b'{"userId":"u","eventType":"A","timestamp":1000,"eventId":"e"}'


def on_record(
    verdicts: dict[tuple[int, int], Verdict],
) -> Callable[[tuple[int, int]], Verdict]:
    return lambda place: verdicts.get(place, ADMITTED)


def record(partition: int, offset: int, received_at: int) -> PlainRecord:
    return PlainRecord(partition, offset, received_at, "shop", "live", RAW)


@pytest.mark.parametrize(
    ("recorded", "is_possible"),
    [
        # The other partition was read first.
        ({(0, 0): DUPLICATE, (1, 0): ADMITTED}, True),
        # Nobody was first, or nobody second.
        ({(0, 0): DUPLICATE, (1, 0): DUPLICATE}, False),
        ({(0, 0): ADMITTED, (1, 0): ADMITTED}, False),
    ],
)
def test_any_order_of_reading_will_do_if_it_gives_these_verdicts(
    recorded: dict[tuple[int, int], Verdict], is_possible: bool
) -> None:
    lines = [[record(0, 0, 1_000)], [record(1, 0, 1_010)]]
    judge = Judge([], [RULES]).feed(in_decision_order(lines))
    records = {(line[0].partition, 0): line[0] for line in lines}
    found = decided_elsewhere(judge, records, on_record(recorded), lambda _: 100)
    assert found == (recorded if is_possible else {})


def test_each_partition_keeps_its_own_order() -> None:
    lines = [[record(0, 0, 1_000), record(0, 1, 1_300)], [record(1, 0, 1_150)]]
    judge = Judge([], [RULES]).feed(in_decision_order(lines))
    records = {(r.partition, r.offset): r for line in lines for r in line}
    recorded = {(0, 1): DUPLICATE}
    assert decided_elsewhere(judge, records, on_record(recorded), lambda _: 100) == {}


def test_one_partition_has_one_order() -> None:
    line = [record(0, 0, 1_000), record(0, 1, 1_010)]
    judge = Judge([], [RULES]).feed(line)
    records = {(0, r.offset): r for r in line}
    recorded = {(0, 0): DUPLICATE, (0, 1): ADMITTED}
    assert decided_elsewhere(judge, records, on_record(recorded), lambda _: 100) == {}
