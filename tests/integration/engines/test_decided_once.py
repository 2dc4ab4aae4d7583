"""A verdict is decided once: what comes after replays it, and no clock changes it for others.

The native engine over a log in memory and a real store, through everything under which a verdict
could be judged again: a restart, other rules, a new metric, a batch that fails, a wrong clock.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Distinct, Metric, tables_of, tumbling
from rtcdp.engines.native import processor as processing
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery, Intake
from rtcdp.log.limits import Retention
from rtcdp.runtime.dead_letters import Parts, Replayed, replay_dead_letters
from rtcdp.store import UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
PER_USER = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))
LATER = Metric("later", "t", tumbling(minutes=1), (Count("events"),), ("userId",))
REACH = Metric("reach", "t", tumbling(minutes=1), (Distinct("users", "userId"),))
RULES = AdmissionRules()


def line(event_id: object, user: str = "u", timestamp: int = NOW) -> bytes:
    return (
        f'{{"eventId":"{event_id}","userId":"{user}","timestamp":{timestamp},"eventType":"A"}}\n'
    ).encode()


class Installation:
    """A log and a store that outlive the processors that work on them."""

    def __init__(self, directory: Path, partitions: int = 1) -> None:
        self.log = MemoryLog(partitions=partitions)
        self.store = SqliteStore(directory / "store.db")
        self.clock = ManualClock(NOW)
        self.metrics: Sequence[Metric] = (PER_USER,)
        self.rules = RULES
        self.limits = ProcessorLimits(epoch_every_s=0)
        self.said: list[str] = []
        self.processor = self._new()

    def take(
        self, *lines: bytes, at: int = NOW, intake: Intake = "live", partition: int = 0
    ) -> None:
        self.log.append([Delivery(b"".join(lines), len(lines), at, intake=intake)], partition)

    def process(self) -> None:
        """Catch up, with what is in memory."""
        while self.processor.step():
            pass

    def restart(self, *metrics: Metric, rules: AdmissionRules | None = None) -> None:
        """Lose what is in memory, go on with other metrics or rules, and catch up."""
        self.metrics, self.rules = metrics or self.metrics, rules or self.rules
        self.processor = self._new()
        self.process()

    def totals(self) -> tuple[int, int, int, int]:
        """Admitted, duplicate, late and dead letters."""
        with self.store.snapshot() as snapshot:
            totals = snapshot.ledger_totals()
        return tuple(totals[name] for name in ("admitted", "duplicate", "late", "dead_letter"))

    def counts(self, metric: Metric = PER_USER) -> dict[str, int]:
        rows = self.store.dump(tables_of(metric)[0])
        return dict(rows.group_by("userId").agg(pl.col("events").sum()).rows())

    def replay(self) -> Replayed:
        return replay_dead_letters(
            Parts(self.log, self.log, self.store), self.clock, self.rules, UncountedScan()
        )

    def _new(self) -> Processor:
        processor = Processor(
            self.log, self.store, self.metrics, self.rules, self.clock, self.limits
        )
        processor.listeners = replace(processor.listeners, on_trouble=self.said.append)
        processor.recover()
        return processor


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.store.close()


@pytest.fixture
def abreast(tmp_path: Path) -> Iterator[Installation]:
    """With four partitions."""
    installation = Installation(tmp_path, partitions=4)
    yield installation
    installation.store.close()


# Rules that change


def test_what_was_admitted_by_wider_rules_is_known_under_narrower_ones(
    installation: Installation,
) -> None:
    lines = [line(n, timestamp=NOW - 5 * MINUTE_MS) for n in range(10)]
    installation.take(*lines)
    installation.process()
    installation.take(*lines, at=NOW + 1000, intake="import")
    installation.restart(rules=AdmissionRules(allowed_lateness_ms=MINUTE_MS))
    assert installation.totals() == (10, 10, 0, 0)


def test_dead_letters_of_narrower_rules_count_when_they_are_replayed_under_wider_ones(
    installation: Installation,
) -> None:
    installation.take(*(line(n, timestamp=NOW + 400_000) for n in range(10)))
    installation.process()
    assert installation.totals() == (0, 0, 0, 10)
    installation.restart(rules=AdmissionRules(max_clock_skew_ms=HOUR_MS))
    assert installation.replay() == Replayed(replayed=10)
    installation.process()
    assert installation.totals() == (10, 0, 0, 10)


def test_late_events_of_before_are_no_events_to_repeat_under_wider_rules(
    installation: Installation,
) -> None:
    old = line("x", timestamp=NOW - HOUR_MS)
    installation.take(old)
    installation.process()
    installation.take(old, at=NOW + 1000)
    installation.restart(rules=AdmissionRules(allowed_lateness_ms=DAY_MS))
    assert installation.totals() == (1, 0, 1, 0)


def test_other_rules_are_recorded_and_said_aloud(installation: Installation) -> None:
    installation.take(line(1), line(2))
    installation.process()
    installation.restart()
    assert installation.said == []
    longer = AdmissionRules(dedup_window_ms=2 * HOUR_MS)
    installation.restart(rules=longer)
    assert installation.said == [
        "the rules of admission have changed (dedup_window_ms from 3,600,000 to 7,200,000): they "
        "apply from offset 2 of partition 0 on; what was decided before stays as it was decided"
    ]
    with installation.store.snapshot() as snapshot:
        history = snapshot.admission_rules()
    assert [(entry.from_epoch, entry.rules) for entry in history] == [(1, RULES), (2, longer)]
    assert history[1].from_offsets == {0: 2}


@pytest.mark.parametrize("client_first", [True, False])
def test_a_client_s_id_is_never_that_of_a_replayed_dead_letter(
    installation: Installation, client_first: bool
) -> None:
    dead = f'{{"userId":"dead","timestamp":{NOW + HOUR_MS},"eventType":"A"}}\n'.encode()
    installation.take(dead)
    installation.process()
    installation.clock.advance(HOUR_MS)
    if client_first:
        installation.take(line("0:0", "client"), at=NOW + HOUR_MS, intake="import")
    assert installation.replay() == Replayed(replayed=1)
    installation.take(line("0:0", "client"), at=NOW + HOUR_MS, intake="import")
    installation.process()
    assert installation.counts() == {"client": 1, "dead": 1}
    with installation.store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["conflict"] == 0


# Metrics that are added later


def test_a_new_metric_counts_what_the_ledger_has_admitted_whoever_decided_it(
    installation: Installation,
) -> None:
    installation.take(*(line(n, f"u{n}", NOW - 5 * MINUTE_MS) for n in range(4)))
    installation.process()
    narrow = AdmissionRules(allowed_lateness_ms=1, max_clock_skew_ms=0, dedup_window_ms=1)
    installation.restart(PER_USER, LATER, rules=narrow)
    assert (
        installation.counts(LATER)
        == installation.counts()
        == dict.fromkeys(["u0", "u1", "u2", "u3"], 1)
    )


def test_of_an_id_on_two_partitions_a_new_metric_counts_the_one_that_was_counted(
    abreast: Installation,
) -> None:
    abreast.take(line("x", "first"), at=NOW + 2, partition=0)
    abreast.process()
    abreast.take(line("x", "second"), at=NOW + 1, partition=1)
    abreast.process()
    abreast.restart(PER_USER, LATER)
    assert abreast.counts(LATER) == abreast.counts() == {"first": 1}


def test_a_new_metric_is_filled_exactly_however_few_ids_are_remembered(
    installation: Installation,
) -> None:
    installation.limits = ProcessorLimits(epoch_every_s=0, seen_ids_capacity=10)
    installation.metrics = (REACH,)
    installation.restart()
    for start in range(0, 200, 20):
        installation.take(*(line(n, f"u{n}") for n in range(start, start + 20)))
        installation.take(*(line(n, f"u{n}") for n in range(start + 10, start + 20)))
        installation.process()
    again = Metric("again", "t", tumbling(minutes=1), (Distinct("users", "userId"),))
    installation.restart(REACH, again, LATER)
    live, filled = (installation.store.dump(tables_of(m)[1]) for m in (REACH, again))
    assert live.height == filled.height == 200
    assert sum(installation.counts(LATER).values()) == installation.totals()[0]
    assert any("forgotten before the dedup window ended" in said for said in installation.said)


# A batch that fails


@pytest.mark.parametrize("seed", range(5))
def test_a_record_that_fails_changes_no_verdict_of_its_batch(
    abreast: Installation, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Each id comes to all partitions, to another one first each time."""
    for n in range(8):
        for partition in range(4):
            at = NOW + 10_000 * n + 1_000 * ((partition + n * 3 + seed) % 4)
            abreast.take(line(n, f"p{partition}"), at=at, partition=partition)
        if n == seed:
            abreast.take(line("bad", "bad"), at=NOW + 10_000 * n + 5_000, partition=seed % 4)
    expected = naive_counts(abreast.log)
    real = processing.changes_of

    def failing(metrics, events):  # type: ignore[no-untyped-def]
        if events["userId"].is_in(["bad"]).any():
            raise pl.exceptions.ComputeError("planted")
        return real(metrics, events)

    monkeypatch.setattr(processing, "changes_of", failing)
    abreast.process()
    assert abreast.counts() == expected
    assert abreast.totals() == (8, 24, 0, 1)


def naive_counts(log: MemoryLog) -> dict[str, int]:
    """Of each id the one that was taken in first counts for its user."""
    first: dict[bytes, tuple[int, int, str]] = {}
    for record in log.records():
        event_id, user = record.raw.split(b'"')[3], record.raw.split(b'"')[7].decode()
        place = (record.received_at, record.partition, user)
        first[event_id] = min(first.get(event_id, place), place)
    users = [user for _, _, user in first.values() if user != "bad"]
    return {user: users.count(user) for user in users}


# Retention


def test_the_log_keeps_what_a_retry_in_the_backlog_may_repeat(installation: Installation) -> None:
    """The processor is five hours behind, and the log holds more than it should."""
    installation.take(line("x"), at=NOW)
    installation.clock.advance(5 * HOUR_MS)
    installation.limits = ProcessorLimits(epoch_every_s=0, expire_every_s=0)
    installation.restart()
    installation.processor.log_retention = Retention(max_age_ms=HOUR_MS, min_age_ms=HOUR_MS)
    installation.processor.run(threading.Event(), once=True)
    installation.take(line("x"), at=NOW + 10 * MINUTE_MS)
    installation.restart()
    assert installation.totals() == (1, 1, 0, 0)


# Clocks


def test_ids_sent_again_after_a_day_of_a_wrong_clock_are_duplicates(
    installation: Installation,
) -> None:
    """The clock goes a day ahead for hundreds of batches, and back."""
    installation.take(*(line(n) for n in range(50)))
    installation.process()
    for batch in range(620):
        installation.take(line(f"b{batch}"), at=NOW + DAY_MS + batch, intake="import")
        installation.process()
    installation.take(*(line(n) for n in range(50)), at=NOW + 2 * MINUTE_MS)
    installation.process()
    assert installation.totals()[1] == 50


@pytest.mark.parametrize("restarts", [False, True])
def test_a_slow_trickle_of_wrong_times_makes_nothing_forgotten(
    installation: Installation, restarts: bool
) -> None:
    installation.take(line("x"))
    installation.process()
    for n in range(80):
        installation.take(line(n), at=NOW + 10 * DAY_MS + n, intake="import")
        installation.process()
    installation.take(line("x"), at=NOW + 150_000)
    if restarts:
        installation.restart()
    installation.process()
    assert installation.totals()[1] == 1


@pytest.mark.parametrize("wrong_by", [70 * MINUTE_MS, 400 * DAY_MS, -400 * DAY_MS])
def test_a_wrong_time_in_one_partition_hides_no_id_of_another_after_a_restart(
    abreast: Installation, wrong_by: int
) -> None:
    abreast.take(line("x"), at=NOW, partition=0)
    abreast.take(line("other"), at=NOW + wrong_by, intake="import", partition=1)
    abreast.process()
    abreast.restart()
    abreast.take(line("x"), at=NOW + 50 * MINUTE_MS, intake="import", partition=2)
    abreast.process()
    assert abreast.totals()[1] == 1


@pytest.mark.parametrize("back_ms", [2 * HOUR_MS, 400 * DAY_MS])
def test_an_id_of_a_clock_that_was_ahead_is_no_duplicate_far_before_it(
    installation: Installation, back_ms: int
) -> None:
    installation.take(line("x", timestamp=NOW + back_ms), at=NOW + back_ms)
    installation.process()
    installation.take(line("x"), at=NOW)
    installation.process()
    assert installation.totals() == (2, 0, 0, 0)
