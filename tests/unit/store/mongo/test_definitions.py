from dataclasses import replace

import pytest

from rtcdp.definitions import Count, tables_of
from rtcdp.errors import UsageError
from rtcdp.store import EpochRefused, Progress, StateMismatch
from rtcdp.store.mongo.definitions import (
    backfill_offsets,
    check_names,
    plan_backfill,
    redefine,
)
from rtcdp.store.mongo.head import Head
from rtcdp.testing.epochs import change

USED = Progress(epoch=3, next_offsets={0: 9})


def with_(head, redefinition):
    state = replace(head.state, definitions=redefinition.definitions)
    return replace(head, revision=head.revision + 1, state=state)


@pytest.fixture
def head(written_out):
    """A used store that was prepared with one metric when it was new."""
    made = with_(Head(), redefine(Head(), [written_out]))
    return replace(made, state=replace(made.state, progress=USED))


def test_in_a_new_store_everything_is_complete(written_out, in_panes):
    redefinition = redefine(Head(), [written_out, in_panes])
    assert [d.name for d in redefinition.definitions] == ["moving", "sales"]
    assert redefinition.definitions[0].tables == tuple(t.name for t in tables_of(in_panes))
    assert redefinition.to_backfill == redefinition.emptied == ()


def test_a_changed_definition_begins_with_the_next_revision(head, written_out):
    changed = replace(written_out, measures=(Count("events"),))
    redefinition = redefine(head, [changed])
    [definition] = redefinition.definitions
    assert (definition.since, definition.tables) == (head.revision + 1, ("sales",))
    assert redefinition.emptied == ("sales", "sales__users", "sales__top")
    assert redefinition.to_backfill == (changed,)
    assert backfill_offsets(redefinition.definitions, "sales") == {}


def test_a_metric_that_is_left_out_is_remembered_with_where_it_stopped(head, written_out, in_panes):
    paused = with_(head, redefine(head, [in_panes]))
    assert backfill_offsets(paused.state.definitions, "sales") == {0: 9}
    again = redefine(paused, [in_panes])
    assert again.definitions == paused.state.definitions
    resumed = redefine(paused, [written_out, in_panes])
    assert resumed.to_backfill == (in_panes,)
    assert resumed.emptied == ()
    further = replace(USED, next_offsets={0: 11})
    moved = replace(paused, state=replace(paused.state, progress=further))
    assert redefine(moved, [written_out, in_panes]).to_backfill == (written_out, in_panes)


def test_a_backfill_that_was_interrupted_resumes_where_it_was(head, in_panes):
    begun = with_(head, redefine(head, [in_panes]))
    step = plan_backfill(begun, "moving", [], {0: 4}, None)
    begun = replace(begun, state=step.after)
    paused = with_(begun, redefine(begun, []))
    assert backfill_offsets(paused.state.definitions, "moving") == {0: 4}


def test_a_step_of_a_backfill_is_a_plan(head, in_panes):
    begun = with_(head, redefine(head, [in_panes]))
    panes, *_ = tables_of(in_panes)
    rows = change(panes, (0, "ada", *[1] * (len(panes.columns) - 2), None, None))
    step = plan_backfill(begun, "moving", [rows], {0: 4}, None)
    assert step.plan.revision == begun.revision + 1
    assert [c.since for c in step.plan.changes] == [begun.revision]
    assert step.after.progress == USED
    assert step.after.recent[-1][0] == step.plan.revision
    done = plan_backfill(replace(begun, state=step.after), "moving", [], None, None)
    assert backfill_offsets(done.after.definitions, "moving") is None
    assert done.plan.is_empty


def test_a_step_that_does_not_fit_is_refused(head, in_panes, written_out):
    begun = with_(head, redefine(head, [written_out, in_panes]))
    prepared = {"sales": written_out.fingerprint, "moving": in_panes.fingerprint}
    with pytest.raises(StateMismatch, match="complete"):
        plan_backfill(begun, "sales", [], {0: 4}, prepared)
    with pytest.raises(StateMismatch, match="sales"):
        plan_backfill(begun, "moving", [change(tables_of(written_out)[0])], {0: 4}, prepared)
    with pytest.raises(EpochRefused, match="definitions"):
        plan_backfill(begun, "moving", [], {0: 4}, {})
    with pytest.raises(UsageError, match="nobody"):
        plan_backfill(begun, "nobody", [], {0: 4}, prepared)


def test_names_must_go_together(written_out, in_panes):
    check_names([written_out, in_panes])
    for wrong in (
        [written_out, written_out],
        [replace(written_out, name="pg_sales")],
        [replace(written_out, name="sqlite_sales")],
        [replace(written_out, measures=(Count("userid"),))],
    ):
        with pytest.raises(UsageError):
            check_names(wrong)
