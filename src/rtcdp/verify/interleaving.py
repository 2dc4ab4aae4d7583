"""The order of decision over partitions; and where one id stands on several of them: could the
verdicts have been decided in some order?

Which partition was read first is nobody's to foretell: a record may have lain in one of them with
an old intake time when the other was counted. What was decided is recorded and is everybody's. So
of an id on several partitions it is asked whether any order of reading, each partition in its own,
gives the recorded verdicts.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate

from rtcdp.verify.judge import Judge, Key, Place, PlainRecord, Verdict, repeated, taken_in

_RECORDS_MAX = 60


def in_decision_order(partitions: Iterable[Sequence[PlainRecord]]) -> Iterator[PlainRecord]:
    """The records of all partitions, each given in its log's order, as verdicts are decided: by
    due time, which is the earliest intake time of a record and those behind it."""
    lines = []
    for records in partitions:
        due = [*accumulate((record.received_at for record in reversed(records)), min)][::-1]
        lines.append([(at, r.partition, r.offset, r) for at, r in zip(due, records, strict=True)])
    return (record for *_, record in heapq.merge(*lines))


def decided_elsewhere(
    judge: Judge,
    records: Mapping[Place, PlainRecord],
    recorded: Callable[[Place], Verdict],
    window_ms: Callable[[Place], int],
) -> dict[Place, Verdict]:
    """The recorded verdicts of all records whose id stands on several partitions, where they differ
    from the judge's and some order of reading gives them. `window_ms` is the dedup window in force
    at a record."""
    by_id: defaultdict[Key, list[Place]] = defaultdict(list)
    for place in sorted(judge.ids):
        by_id[judge.ids[place]].append(place)
    given: dict[Place, Verdict] = {}
    for places in by_id.values():
        found = {place: recorded(place) for place in places}
        is_several = len({partition for partition, _ in places}) > 1
        if is_several and any(found[place] != judge.verdicts[place] for place in places):
            of_id = [(records[place], found[place], window_ms(place)) for place in places]
            if _is_possible(of_id):
                given |= found
    return given


def _is_possible(of_id: Sequence[tuple[PlainRecord, Verdict, int]]) -> bool:
    """Whether some order of reading gives these verdicts; they are sorted by place."""
    partitions: defaultdict[int, list[tuple[PlainRecord, Verdict, int]]] = defaultdict(list)
    for each in of_id:
        partitions[each[0].partition].append(each)
    lines = list(partitions.values())
    if len(of_id) > _RECORDS_MAX:
        return False

    @cache
    def can_follow(read: tuple[int, ...]) -> bool:
        if all(count == len(line) for count, line in zip(read, lines, strict=True)):
            return True
        earlier = [record for n, line in zip(read, lines, strict=True) for record, *_ in line[:n]]
        earlier.sort(key=taken_in)
        for number, line in enumerate(lines):
            if read[number] == len(line):
                continue
            record, verdict, window_ms = line[read[number]]
            if verdict == repeated(record, earlier, window_ms):
                further = tuple(n + (i == number) for i, n in enumerate(read))
                if can_follow(further):
                    return True
        return False

    return can_follow((0,) * len(lines))
