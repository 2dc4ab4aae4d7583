from dataclasses import replace

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import EpochRefused, EpochSpan, Progress, RowsRefused, StateMismatch
from rtcdp.store.mongo.epoch import (
    INTEGER_MAX,
    RAW_BYTES_MAX,
    check_definitions,
    plan_epoch,
    planned,
    with_sums,
)
from rtcdp.store.mongo.head import Definition, Head, LastSpan, State
from rtcdp.store.rules import SPAN_AGE_MS_MAX, SPAN_RECORDS_MAX
from rtcdp.testing.epochs import EpochMaker, change


@pytest.fixture
def table(written_out):
    return tables_of(written_out)[0]


@pytest.fixture
def head(written_out):
    tables = tuple(each.name for each in tables_of(written_out))
    definition = Definition("sales", written_out.fingerprint, True, True, 4, tables)
    return Head(revision=6, state=State(definitions=(definition,)))


def row(**values):
    place = {"start": 0, "page": "/a", "user": "ada", "n": 1}
    return (*{**place, **values}.values(), 1, 1, 1, 1, 1, None, None)


def test_a_plan_makes_the_next_revision_of_tables_as_they_are_defined(head, table):
    epochs = EpochMaker()
    step = plan_epoch(head, epochs.make(change(table, row()), change(table)), None)
    assert step.plan.revision == 7
    assert [(c.table, c.since, c.rows.height) for c in step.plan.changes] == [(table, 4, 1)]
    assert step.plan.ledger.rows() == [(0, "default", 1, 1, 0, 0, 0, 0, 0)]
    assert step.plan.spans.rows() == [(0, 0, 1, None, None, 0)]


def test_the_head_says_afterwards_what_was_counted(head):
    epochs = EpochMaker()
    for number in (1, 2):
        step = plan_epoch(head, epochs.make(admitted=2, uncounted=[{}], received_at=number), None)
        head = replace(head, revision=head.revision + 1, state=step.after)
    assert head.state.progress == Progress(2, {0: 6}, {0: 2}, 2, "native", "", decided_from={0: 0})
    assert head.state.totals["received"] == 6
    assert head.state.totals["dead_letter"] == 2
    assert head.state.recent == ((7, 1), (8, 2))


def test_an_intake_time_that_runs_backwards_is_not_believed(head):
    epochs = EpochMaker()
    first = plan_epoch(head, epochs.make(received_at=9), None).after
    second = plan_epoch(replace(head, state=first), epochs.make(received_at=3), None).after
    assert second.progress.max_received_at == {0: 9}


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": INTEGER_MAX - 1},
        {"start": None},
        {"page": None},
        {"user": None},
        {"n": None},
    ],
)
def test_rows_that_no_document_can_hold_are_refused(head, table, wrong):
    with pytest.raises(RowsRefused, match="sales"):
        planned(head, [change(table, row(), row(**wrong))])


def test_a_record_that_is_larger_than_a_document_is_refused(head):
    large = EpochMaker().make(uncounted=[{"raw": bytes(RAW_BYTES_MAX + 1)}])
    with pytest.raises(RowsRefused, match="15,728,641 bytes"):
        plan_epoch(head, large, None)


def test_sums_are_looked_at_only_when_they_might_not_fit(head, table):
    definitions = head.state.definitions
    small = planned(head, [change(table, row(n=-7), row(page="/b", n=3))])
    definitions, to_be_checked = with_sums(definitions, small)
    assert (definitions[0].sum_max, to_be_checked) == (7, ())
    large = planned(head, [change(table, row(n=-(2**63)))])
    definitions, to_be_checked = with_sums(definitions, large)
    assert (definitions[0].sum_max, to_be_checked) == (INTEGER_MAX, large)
    _, to_be_checked = with_sums(definitions, small)
    assert to_be_checked == small


def test_definitions_must_be_those_that_were_prepared(head, table, written_out):
    definitions, rows = head.state.definitions, [change(table, row())]
    check_definitions(definitions, None, rows)
    check_definitions(definitions, {"sales": written_out.fingerprint}, rows)
    with pytest.raises(EpochRefused):
        check_definitions(definitions, {"sales": "another"}, rows)
    paused = [replace(definitions[0], is_active=False)]
    with pytest.raises(StateMismatch, match="sales"):
        check_definitions(paused, {}, rows)


def spans_after(last, span, committed_at):
    head = Head(state=State(last_spans=(last,), progress=Progress(next_offsets={0: 10})))
    epoch = EpochMaker(next_offset=10).make(admitted=span.next_offset - span.first_offset)
    epoch = replace(epoch, spans=(span,), committed_at=committed_at)
    return plan_epoch(head, epoch, None).after.last_spans


def test_a_span_is_joined_to_the_last_one_of_its_partition():
    last = LastSpan(0, 0, 10, None, 5, 100)
    assert spans_after(last, EpochSpan(0, 10, 12, 3, 4), 200) == (LastSpan(0, 0, 12, 3, 5, 100),)


@pytest.mark.parametrize(
    ("last", "records", "committed_at"),
    [
        (LastSpan(0, 0, 10, 1, 5, 100), SPAN_RECORDS_MAX - 9, 200),
        (LastSpan(0, 0, 10, 1, 5, 100), 1, 100 + SPAN_AGE_MS_MAX),
        (LastSpan(0, 0, 9, 1, 5, 100), 1, 200),
    ],
)
def test_a_span_that_is_long_or_old_or_elsewhere_is_followed_by_a_new_one(
    last, records, committed_at
):
    span = EpochSpan(0, 10, 10 + records, 3, 4)
    assert spans_after(last, span, committed_at) == (LastSpan(*vars(span).values(), committed_at),)
