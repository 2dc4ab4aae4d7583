"""Admission of a micro-batch: every record gets one verdict, and the ledger balances."""

import numpy as np
import polars as pl
import pytest

from rtcdp.admission.batch import (
    AdmittedBatch,
    admit,
    decode_batch,
    reject,
)
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import Delivery, Intake
from rtcdp.testing.memory_log import MemoryLog

RULES = AdmissionRules(max_clock_skew_ms=100, allowed_lateness_ms=1000, dedup_window_ms=5000)
NOW = 1_000_000


def line(event_id: str | None = None, timestamp: int = NOW, user: str = "u") -> bytes:
    with_id = "" if event_id is None else f'"eventId":"{event_id}",'
    return f'{{{with_id}"userId":"{user}","timestamp":{timestamp},"eventType":"A"}}'.encode()


class Intakes:
    """A log and an index of seen ids, with the batches that come of what is put in."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.seen = SeenIds(RULES.dedup_window_ms)

    def take(
        self,
        *lines: bytes,
        rejects: tuple[tuple[int, bytes], ...] = (),
        received_at: int = NOW,
        source: str = "default",
        intake: Intake = "live",
        replay_of: str | None = None,
    ) -> AdmittedBatch:
        start = self.log.extent(0).next_offset
        body = b"".join(record + b"\n" for record in lines)
        delivery = Delivery(body, len(lines), received_at, source, intake, rejects, replay_of)
        self.log.append([delivery])
        return self.process(start)

    def process(self, start: int) -> AdmittedBatch:
        return admit(decode_batch((self.log.read(0, start, 10**9),), ("userId",), RULES), self.seen)


@pytest.fixture
def intakes() -> Intakes:
    return Intakes()


def verdicts(batch: AdmittedBatch) -> list[tuple[int, str, str, str]]:
    return batch.uncounted.select("offset", "verdict", "reason", "step").rows()


def totals(batch: AdmittedBatch) -> dict[str, int]:
    return batch.ledger.select(pl.exclude("source", "minute").sum()).row(0, named=True)


def test_a_good_event_is_admitted(intakes: Intakes) -> None:
    batch = intakes.take(line())
    assert batch.events["userId"].to_list() == ["u"]
    assert batch.uncounted.is_empty()
    assert totals(batch)["admitted"] == 1


@pytest.mark.parametrize(("age_ms", "is_late"), [(999, False), (1000, False), (1001, True)])
def test_lateness_is_measured_at_intake_to_the_millisecond(
    intakes: Intakes, age_ms: int, is_late: bool
) -> None:
    batch = intakes.take(line(timestamp=NOW - age_ms))
    assert verdicts(batch) == ([(0, "late", "late", "lateness")] if is_late else [])


@pytest.mark.parametrize(("ahead_ms", "is_future"), [(99, False), (100, False), (101, True)])
def test_a_timestamp_too_far_ahead_is_a_dead_letter(
    intakes: Intakes, ahead_ms: int, is_future: bool
) -> None:
    batch = intakes.take(line(timestamp=NOW + ahead_ms))
    assert verdicts(batch) == ([(0, "dead_letter", "future", "clock")] if is_future else [])


def test_imported_history_is_never_late_but_may_be_from_the_future(intakes: Intakes) -> None:
    batch = intakes.take(line(timestamp=0), line(timestamp=2 * NOW), intake="import")
    assert verdicts(batch) == [(1, "dead_letter", "future", "clock")]


def test_the_same_id_from_the_same_source_is_one_event(intakes: Intakes) -> None:
    assert totals(intakes.take(line("e"), line("e")))["duplicate"] == 1
    assert verdicts(intakes.take(line("e"))) == [(2, "duplicate", "duplicate", "duplicate")]
    assert totals(intakes.take(line("e"), source="other"))["admitted"] == 1


def test_events_without_an_id_are_never_duplicates(intakes: Intakes) -> None:
    assert totals(intakes.take(line(), line(), line()))["admitted"] == 3


def test_the_same_id_with_another_content_is_a_conflict_and_the_first_wins(
    intakes: Intakes,
) -> None:
    batch = intakes.take(line("e", user="first"), line("e", user="second"))
    assert batch.events["userId"].to_list() == ["first"]
    assert verdicts(batch) == [(1, "duplicate", "conflict", "duplicate")]
    assert totals(batch)["conflict"] == 1


def test_a_late_event_does_not_make_its_repetition_a_duplicate(intakes: Intakes) -> None:
    intakes.take(line("e", timestamp=0))
    assert totals(intakes.take(line("e")))["admitted"] == 1


def test_rejected_records_are_dead_letters_with_their_bytes(intakes: Intakes) -> None:
    batch = intakes.take(line(), line(), rejects=((1, b"{\n"),))
    assert verdicts(batch) == [(1, "dead_letter", "not_json", "parse")]
    assert batch.uncounted["raw"].to_list() == [b"{\n"]
    assert totals(batch) == {
        "received": 3,
        "admitted": 2,
        "duplicate": 0,
        "late": 0,
        "dead_letter": 1,
        "conflict": 0,
        "erased": 0,
    }


def test_late_events_keep_their_bytes_and_duplicates_do_not(intakes: Intakes) -> None:
    late = line("l", timestamp=0)
    batch = intakes.take(line("e"), late, line("e"))
    assert batch.uncounted["raw"].to_list() == [late, None]


def test_a_damaged_record_is_a_dead_letter_and_its_neighbours_count(intakes: Intakes) -> None:
    intakes.log.append([Delivery(b"".join(line() + b"\n" for _ in range(3)), 3, NOW)])
    intakes.log.damage(1)
    batch = intakes.process(0)
    assert verdicts(batch) == [(1, "dead_letter", "corrupt", "log")]
    assert totals(batch)["admitted"] == 2


def test_a_replayed_dead_letter_counts_once_even_if_replayed_twice(intakes: Intakes) -> None:
    first = intakes.take(line(), replay_of="0:7", intake="import")
    second = intakes.take(line(), replay_of="0:7", intake="import")
    assert [totals(first)["admitted"], totals(second)["duplicate"]] == [1, 1]


def test_a_replayed_record_keeps_its_place_among_the_others(intakes: Intakes) -> None:
    intakes.log.append([Delivery(line("e", user="first") + b"\n", 1, NOW, replay_of="0:7")])
    intakes.log.append([Delivery(line("e", user="second") + b"\n", 1, NOW)])
    assert intakes.process(0).events["userId"].to_list() == ["first"]


def test_the_ledger_is_kept_by_source_and_intake_minute(intakes: Intakes) -> None:
    intakes.take(line(), source="a")
    intakes.take(line(timestamp=NOW + 60_000), source="a", received_at=NOW + 60_000)
    intakes.take(line(), line(), source="b")
    ledger = intakes.process(0).ledger
    assert ledger.schema == LEDGER_SCHEMA
    assert ledger.select("source", "minute", "received").rows() == [
        ("a", 960_000, 1),
        ("a", 1_020_000, 1),
        ("b", 960_000, 2),
    ]


def test_the_range_of_event_times_covers_what_is_not_counted(intakes: Intakes) -> None:
    batch = intakes.take(line(timestamp=NOW), line(timestamp=5))
    assert (batch.min_event_time, batch.max_event_time) == (5, NOW)


def test_nothing_but_dead_letters(intakes: Intakes) -> None:
    batch = intakes.take(rejects=((0, b"a"), (1, b"\xff")))
    assert batch.events.is_empty()
    assert batch.uncounted.schema == UNCOUNTED_SCHEMA
    assert batch.min_event_time is None
    assert totals(batch)["dead_letter"] == 2


def test_verdicts_are_the_same_for_any_cut(intakes: Intakes) -> None:
    rng = np.random.default_rng(7)
    lines = [line(f"e{i}", NOW + int(t)) for i, t in zip(rng.integers(0, 30, 200), rng.integers(-1500, 200, 200), strict=True)]  # noqa: E501  # fmt: skip
    whole = intakes.take(*lines)
    cut = Intakes()
    parts = [cut.take(*lines[start : start + 7]) for start in range(0, 200, 7)]
    pieces = pl.concat([part.uncounted for part in parts])
    assert pieces.equals(whole.uncounted)
    assert pl.concat([part.events for part in parts]).equals(whole.events)


def two_partitions() -> MemoryLog:
    """Good, late, rejected and replayed records in two partitions."""
    log = MemoryLog(partitions=2)
    for partition in (0, 1):
        good, late = line(f"e{partition}"), line(f"l{partition}", timestamp=0)
        body = good + b"\n" + late + b"\n"
        log.append(
            [Delivery(body, 2, NOW + 5 - partition, "shop", rejects=((1, b"{"),))], partition
        )
        log.append([Delivery(line() + b"\n", 1, NOW, replay_of=f"{partition}:1")], partition)
        log.append(
            [Delivery(line("both", user=f"of{partition}") + b"\n", 1, NOW + 9 - partition)],
            partition,
        )
    return log


def test_pieces_of_several_partitions_come_to_what_each_comes_to() -> None:
    log = two_partitions()
    pieces = [log.read(1, 2, 10**6), log.read(0, 0, 10**6), log.read(1, 0, 10**6).until(2)]
    together = decode_batch(pieces, ("userId",), RULES)
    assert [piece.partition for piece in together.pieces] == [0, 1, 1]
    assert together.partitions.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert together.offsets.tolist() == [0, 2, 3, 4] * 2
    batch = admit(together, SeenIds(RULES.dedup_window_ms))
    assert batch.uncounted.select("partition", "offset", "verdict", "raw").rows() == [
        (0, 1, "dead_letter", b"{"),
        (0, 2, "late", line("l0", timestamp=0)),
        (0, 4, "duplicate", None),
        (1, 1, "dead_letter", b"{"),
        (1, 2, "late", line("l1", timestamp=0)),
    ]
    assert batch.events["source"].to_list() == ["shop", "default", "shop", "default", "default"]
    assert batch.events["userId"].to_list() == ["u", "u", "u", "u", "of1"]
    assert totals(batch)["received"] == 10


def test_much_is_decoded_some_at_a_time_and_comes_to_the_same() -> None:
    log = MemoryLog(partitions=3)
    for partition in range(3):
        lines = [line(f"{partition}-{n}", user="u" * 150) for n in range(6_000)]
        body = b"\n".join([*lines, b""])
        log.append([Delivery(body, len(lines), NOW, f"s{partition}")], partition)
    pieces = [log.read(partition, 0, 10**7) for partition in range(3)]
    assert sum(len(piece.lines) for piece in pieces) > 3 * 2**20
    whole = decode_batch(pieces, ("userId", "value"), RULES)
    alone = [decode_batch([piece], ("userId", "value"), RULES) for piece in pieces]
    assert whole.events.equals(pl.concat([each.events for each in alone]))
    assert whole.events.n_chunks() == 1
    assert whole.contents.tolist() == [hash for each in alone for hash in each.contents.tolist()]
    assert whole.id_hashes.tolist() == [hash for each in alone for hash in each.id_hashes.tolist()]


def test_of_two_partitions_the_record_that_came_earlier_counts() -> None:
    batch = admit(
        decode_batch([two_partitions().read(p, 4, 10**6) for p in (0, 1)], (), RULES),
        SeenIds(RULES.dedup_window_ms),
    )
    assert batch.events["userId"].to_list() == ["of1"]
    assert batch.uncounted.select("partition", "reason").rows() == [(0, "conflict")]


def test_records_can_be_rejected_whatever_they_are() -> None:
    pieces = [two_partitions().read(partition, 0, 10**6) for partition in (1, 0)]
    decoded = reject(pieces, Rejection("processor_error", "count", "it failed"))
    batch = admit(decoded, SeenIds(RULES.dedup_window_ms))
    assert batch.events.is_empty()
    assert batch.uncounted.select("partition", "offset").rows() == [
        (partition, offset) for partition in (0, 1) for offset in range(5)
    ]
    assert set(batch.uncounted["reason"]) == {"processor_error"}
    assert batch.uncounted["raw"][1] == b"{"
    assert totals(batch)["dead_letter"] == 10
