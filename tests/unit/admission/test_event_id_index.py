"""The index of seen ids."""

import numpy as np
import pytest

from rtcdp.admission import log_time
from rtcdp.admission.event_id_index import CLOCK_SLACK_MS, SeenIds
from rtcdp.admission.repeats import Forgotten, Ids, Repeats, places_of

WINDOW_MS = 1000


class Index:
    """An index that is fed one partition after another, as a log would be read."""

    def __init__(self, capacity: int = 10**6) -> None:
        self.seen = SeenIds(WINDOW_MS, capacity)
        self._next: dict[int, int] = {}

    def check(self, *ids: tuple[int, int, int], partition: int = 0) -> Repeats:
        """Each id as (hash, received_at, content)."""
        hashes, times, contents = zip(*ids, strict=True)
        first = self._next.get(partition, 0)
        self._next[partition] = first + len(ids)
        offsets = np.arange(first, first + len(ids))
        received_at, positions = np.array(times, np.int64), np.arange(len(ids))
        forgotten = Forgotten(self.seen.remembered_from)
        turns = list(self.seen.observe(partition, offsets, received_at, positions))
        if turns:
            forgotten.add(partition, turns)
        ids_of_batch = Ids(
            np.array(hashes, np.uint64),
            received_at,
            np.array(contents, np.uint64),
            places_of(np.full(len(ids), partition), offsets),
            positions,
        )
        return self.seen.check_and_add(ids_of_batch, forgotten)

    def repeats(self, *ids: tuple[int, int, int], partition: int = 0) -> list[bool]:
        found: list[bool] = self.check(*ids, partition=partition).is_duplicate.tolist()
        return found


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record is a block."""
    monkeypatch.setattr(log_time, "BLOCK_OFFSETS", 1)


def test_a_new_id_is_no_duplicate(index: Index) -> None:
    assert index.repeats((1, 0, 0)) == [False]


def test_an_id_of_an_earlier_batch_is_a_duplicate(index: Index) -> None:
    index.check((1, 0, 0), (2, 0, 0))
    assert index.repeats((3, 1, 0), (2, 1, 0)) == [False, True]


def test_of_many_ids_that_lie_close_to_each_other_none_is_forgotten(index: Index) -> None:
    hashes = [each + step for each in range(0, 2**63, 2**50) for step in range(0, 2**46, 2**43)]
    index.check(*((each, 0, 0) for each in hashes))
    assert all(index.repeats(*((each, 1, 0) for each in hashes)))


def test_within_a_batch_all_but_the_first_are_duplicates(index: Index) -> None:
    assert index.repeats((1, 0, 0), (2, 0, 0), (1, 0, 0), (1, 0, 0)) == [False, False, True, True]


@pytest.mark.parametrize(("gap_ms", "is_duplicate"), [(999, True), (1000, True), (1001, False)])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("in_one_batch", [False, True])
def test_two_records_are_one_event_when_they_are_no_further_apart_than_the_window(
    index: Index, gap_ms: int, direction: int, is_duplicate: bool, in_one_batch: bool
) -> None:
    first, second = (1, 10_000, 0), (1, 10_000 + direction * gap_ms, 0)
    found = (
        index.repeats(first, second)
        if in_one_batch
        else [*index.repeats(first), *index.repeats(second)]
    )
    assert found == [False, is_duplicate]


def test_a_duplicate_is_remembered_as_well(index: Index) -> None:
    index.check((1, 0, 0))
    index.check((1, 900, 0))
    assert index.repeats((1, 1800, 0)) == [True]


def test_another_content_is_a_conflict(index: Index) -> None:
    index.check((1, 0, 7), (2, 0, 7))
    repeats = index.check((1, 1, 7), (2, 1, 8))
    assert repeats.is_duplicate.tolist() == [True, True]
    assert repeats.is_conflict.tolist() == [False, True]


@pytest.mark.usefixtures("small_blocks")
def test_expired_ids_leave_room() -> None:
    index = Index(capacity=20_000)
    for step in range(1000):
        index.check(*((step * 50 + i, step * CLOCK_SLACK_MS, 0) for i in range(50)))
    assert len(index.seen) <= 20_000
    assert index.seen.forgotten_early == 0


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("is_beside_a_quiet_partition", [False, True])
def test_what_is_held_stays_as_large_as_what_is_remembered(
    is_beside_a_quiet_partition: bool,
) -> None:
    """However long it goes on, and without a capacity to fall back on."""
    index, held = Index(), []
    for step in range(2_000):
        ids = [(step * 10 + i, step * CLOCK_SLACK_MS // 20, 0) for i in range(10)]
        if is_beside_a_quiet_partition:
            index.check(ids.pop(), partition=1)
        index.check(*ids)
        held.append(len(index.seen))
    remembered = 10 * 2_000 - index.seen.remembered_from[0]
    assert remembered > 500
    assert max(held[:400]) > 0.9 * max(held[1_600:])
    assert max(held) < 3 * remembered


def test_beyond_its_capacity_the_oldest_are_forgotten_and_counted() -> None:
    """Those that came first, whatever time their clock told."""
    index = Index(capacity=10)
    for key in range(20):
        index.check((key, 10**9 - key, 0))
    assert len(index.seen) == 10
    assert index.seen.forgotten_early == 10
    assert index.repeats((0, 10**9, 0), (19, 10**9 - 20, 0)) == [False, True]


def test_beyond_its_capacity_every_partition_loses_its_share() -> None:
    index = Index(capacity=100)
    index.check(*((key, 0, 0) for key in range(60)), partition=3)
    index.check(*((key, 0, 0) for key in range(1000, 1060)), partition=0)
    assert len(index.seen) == 100
    assert sum(index.repeats(*((key, 1, 0) for key in range(20, 60)), partition=3)) == 40


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("jump_ms", [10**9, -(10**9)])
@pytest.mark.parametrize("length", [1, 5, 1000])
def test_a_clock_that_is_wrong_for_however_long_makes_nothing_forgotten(
    index: Index, jump_ms: int, length: int
) -> None:
    now = 2 * 10**9
    index.check((1, now, 0))
    for other in range(100, 100 + length):
        index.check((other, now + jump_ms, 0))
    index.check((2, now + 10, 0))
    assert index.repeats((1, now + 20, 0)) == [True]


@pytest.mark.usefixtures("small_blocks")
def test_what_the_time_went_by_of_is_forgotten_however_it_is_cut() -> None:
    """A record of an old time that repeats another one long after it is not known any more."""
    times = [n * 10_000 for n in range(200)]
    records = [(n, time, 0) for n, time in enumerate(times)]
    # So much has gone by that the first is forgotten, and so little that the 190th is not.
    probes = [(0, 0, 0), (190, times[190], 0)]
    cut, whole = Index(), Index()
    for record in records:
        cut.check(record)
    found = [repeats for probe in probes for repeats in cut.repeats(probe)]
    assert found == whole.repeats(*records, *probes)[-2:] == [False, True]


def test_an_emptied_index_goes_on(index: Index) -> None:
    for step in range(100):
        assert index.repeats((step, step * 10 * CLOCK_SLACK_MS, 0)) == [False]
        assert index.repeats((step + 1000, step * 10 * CLOCK_SLACK_MS, 0)) == [False]


@pytest.mark.usefixtures("small_blocks")
def test_a_batch_can_be_taken_back() -> None:
    index = Index(capacity=100)
    for key in range(20):
        index.check((key, 0, 0))
    remembered_from = index.seen.remembered_from
    mark = index.seen.mark()
    for key in range(1000, 1200):
        index.check((key, key * CLOCK_SLACK_MS, 0))
    assert index.seen.remembered_from != remembered_from
    index.seen.reset(mark)
    assert len(index.seen) == 20
    assert index.seen.forgotten_early == 0
    assert index.seen.remembered_from == remembered_from
    assert all(index.repeats(*((key, 1, 0) for key in range(20))))
    assert not any(index.repeats(*((key, 1, 0) for key in range(1000, 1200))))


@pytest.mark.usefixtures("small_blocks")
def test_a_partition_forgets_nothing_of_another(index: Index) -> None:
    index.check((1, 0, 0), (2, 0, 0), partition=4)
    for key in range(1000, 1200):
        index.check((key, key * CLOCK_SLACK_MS, 0), partition=1)
    assert index.seen.remembered_from[4] == 0
    assert index.repeats((1, 1, 0), partition=1) == [True]
