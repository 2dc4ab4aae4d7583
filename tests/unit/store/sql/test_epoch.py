import polars as pl
import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import EpochRefused, EpochSpan, StateMismatch
from rtcdp.store.rules import SPAN_AGE_MS_MAX
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.epoch import apply_epoch, check_definitions
from rtcdp.store.sql.snapshot import SqlSnapshot
from rtcdp.testing.epochs import EpochMaker, change


@pytest.fixture
def prepared(transaction, written_out):
    prepare_metrics(transaction, [written_out])
    return {written_out.name: written_out.fingerprint}


def test_a_span_without_offsets_is_not_kept(transaction, prepared):
    epochs = EpochMaker()
    apply_epoch(transaction, epochs.make(admitted=0, event_times=(0, 1)), prepared)
    apply_epoch(transaction, epochs.make(admitted=3, event_times=(0, 1)), prepared)
    assert SqlSnapshot(transaction).spans(0, 1) == [EpochSpan(0, 0, 3, 0, 1)]


def test_definitions_must_be_those_that_were_prepared(transaction, written_out, prepared):
    rows = [change(tables_of(written_out)[0])]
    check_definitions(transaction, prepared, rows)
    check_definitions(transaction, None, rows)
    with pytest.raises(EpochRefused):
        check_definitions(transaction, {written_out.name: "another"}, rows)
    prepare_metrics(transaction, [])
    with pytest.raises(StateMismatch):
        check_definitions(transaction, {}, rows)


def test_a_span_that_is_old_enough_is_not_lengthened(transaction, prepared):
    epochs = EpochMaker()
    for committed_at in (0, SPAN_AGE_MS_MAX - 1, SPAN_AGE_MS_MAX):
        epoch = epochs.make(received_at=committed_at, event_times=(0, 1))
        apply_epoch(transaction, epoch, prepared)
    assert [s.next_offset for s in SqlSnapshot(transaction).spans(0, 1)] == [2, 3]


def test_an_epoch_without_uncounted_records_may_leave_the_frame_empty(transaction, prepared):
    epoch = EpochMaker().make(admitted=0)
    apply_epoch(transaction, epoch.__class__(1, (), (), pl.DataFrame(), pl.DataFrame()), prepared)
    assert SqlSnapshot(transaction).progress.epoch == 1
    assert epoch.number == 1
