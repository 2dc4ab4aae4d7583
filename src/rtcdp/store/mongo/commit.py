"""How a store on MongoDB changes, without transactions: decide, carry out, finish.

The plan is written down; one conditional update of the head decides it; the documents follow; and a
second update of the head lets everybody see them. Whoever finds a plan that was decided and not
finished, after a crash or beside a process that was paused, carries it out first.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rtcdp.store.contract import Lease, StoreUnavailable
from rtcdp.store.mongo.apply import check_sums, row_tasks
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.definitions import Redefinition
from rtcdp.store.mongo.epoch import Step
from rtcdp.store.mongo.erasures import erasure_tasks
from rtcdp.store.mongo.groups import GROUPS, group_tasks
from rtcdp.store.mongo.head import (
    Head,
    change_head,
    finish,
    is_pending,
    kept_document,
    leftovers_document,
    make_head,
    read_head,
    read_pending,
    state_document,
)
from rtcdp.store.mongo.layout import CHECKSUMS, REVISION, integer
from rtcdp.store.mongo.plan import Plan, damaged, forget_plans, read_plan, write_plan
from rtcdp.store.mongo.readable import recent_after
from rtcdp.store.mongo.rows import RowsOfPlan
from rtcdp.store.rules import check_holds

_ATTEMPTS = 10

_LATE_S = 1.0
"""Much less than a lease lasts, without which nobody else erases. Whoever takes longer than that
looks whether a plan is still to be done before each part of it."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""One that goes on while the machine sleeps, where there is one."""


def settled_head(database: MongoDatabase) -> Head:
    """The head of a store that is made if it is not there, with no plan left to carry out."""
    while True:
        head = read_head(database)
        if head is None:
            make_head(database)
        elif head.pending is None:
            return head
        else:
            _settle(database)


def change(database: MongoDatabase, lease: Lease | None, step_of: Callable[[Head], Step]) -> None:
    """Make the next revision. `step_of` says what it is, given the head, and may refuse.

    Raises `LeaseLost` when another holder came after `lease`, and what `step_of` raises. Nothing
    was applied then.
    """
    for _ in range(_ATTEMPTS):
        head = settled_head(database)
        check_holds(head.lease, lease)
        step = step_of(head)
        # Before the decision: once it is made, whoever comes next has to carry it out.
        check_sums(database, step.to_be_checked, head.revision)
        readable = {
            "readable_from": integer(step.plan.readable.oldest),
            "kept": kept_document(step.kept),
        }
        # Nothing to carry out: the decision itself is the change.
        if step.plan.is_empty:
            after = {**state_document(step.after), **readable}
            if change_head(
                database, head, lease, {**after, "revision": integer(step.plan.revision)}
            ):
                return
            continue
        pending = {**write_plan(database, step.plan), "after": state_document(step.after)}
        # Before the decision: whoever is paused right after it is late as well.
        late_at = time.clock_gettime(_CLOCK) + _LATE_S
        # Conditional on the revision and the lease that were read: whoever is too late has changed
        # nothing.
        if change_head(database, head, lease, {"plan": pending, **readable}):
            _carry_out(database, step.plan, pending, late_at)
            return
    raise _too_busy()


def redefine_tables(
    database: MongoDatabase, lease: Lease | None, redefinition_of: Callable[[Head], Redefinition]
) -> Redefinition:
    """Give the store other definitions, and delete what was counted under the old ones.

    Old documents are out of sight from the moment of the decision on, so that it does no harm when
    deleting them is interrupted: it goes on the next time.
    """
    for _ in range(_ATTEMPTS):
        head = settled_head(database)
        check_holds(head.lease, lease)
        redefinition = redefinition_of(head)
        if redefinition.definitions != head.state.definitions:
            if not change_head(database, head, lease, _redefined(head, redefinition)):
                continue
            head = settled_head(database)
        forget_plans(database, head.revision)
        _delete_leftovers(database, head, lease)
        return redefinition
    raise _too_busy()


def _redefined(head: Head, redefinition: Redefinition) -> Document:
    revision = head.revision + 1
    state = replace(
        head.state,
        definitions=redefinition.definitions,
        recent=recent_after(head, head.state.progress.committed_at),
    )
    emptied = dict.fromkeys(redefinition.emptied, revision)
    fields = {**state_document(state), "revision": integer(revision)}
    if emptied:
        # Snapshots of before would miss what is deleted.
        fields["readable_from"] = integer(revision)
        fields["kept"] = []
        fields["leftovers"] = leftovers_document({**dict(head.leftovers), **emptied})
    return fields


def _delete_leftovers(database: MongoDatabase, head: Head, lease: Lease | None) -> None:
    if not head.leftovers:
        return
    for collection, since in head.leftovers:
        of_old_definitions = {REVISION: {"$lt": since}}
        database.collection(collection).delete_many(of_old_definitions)
        database.collection(GROUPS).delete_many({"table": collection, **of_old_definitions})
        old_sums = {"table": collection, "since": {"$lt": integer(since)}}
        database.collection(CHECKSUMS.collection).delete_many(old_sums)
    change_head(database, head, lease, {"leftovers": []})


def _settle(database: MongoDatabase) -> None:
    """Carry out the plan that was decided, unless somebody else has meanwhile."""
    pending = read_pending(database)
    if pending is None:
        return
    plan = read_plan(database, pending)
    if plan is not None:
        # Without a lease anybody may be faster: late from the beginning.
        _carry_out(database, plan, pending, late_at=float("-inf"))
        return
    # Whoever has carried it out meanwhile has swept it away; only one that is still decided and has
    # no plan is damaged.
    following = read_pending(database)
    if following is not None and following["id"] == pending["id"]:
        raise damaged(pending)


def _carry_out(database: MongoDatabase, plan: Plan, pending: Document, late_at: float) -> None:
    rows = [RowsOfPlan(database, plan, planned) for planned in plan.rows]
    of_rows = (task for each in rows for task in each.tasks())
    tasks = (
        *row_tasks(database, plan),
        *group_tasks(database, plan),
        *of_rows,
        *erasure_tasks(database, plan),
    )
    database.run_together(
        [partial(_unless_late, database, pending, late_at, task) for task in tasks]
    )
    for each in rows:
        _unless_late(database, pending, late_at, each.finish)
    # Nobody sees any of it before this.
    finish(database, pending)
    if pending["chunks"]:
        forget_plans(database, plan.revision)


def _unless_late(
    database: MongoDatabase, pending: Document, late_at: float, task: Callable[[], None]
) -> None:
    """Do a part of a plan, but not when others have finished it long ago: they may have erased
    somebody since, of whom it would write rows again."""
    if time.clock_gettime(_CLOCK) <= late_at or is_pending(database, pending):
        task()


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable(
        "other processes write to the store all the time", "let only one processor work on a store"
    )
