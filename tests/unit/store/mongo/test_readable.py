from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rtcdp.store import Progress
from rtcdp.store.mongo.head import Head, LastSpan, State
from rtcdp.store.mongo.readable import (
    KEPT_EVERY_MS,
    KEPT_MAX,
    READABLE_MS,
    READABLE_REVISIONS_MAX,
    kept_after,
    readable_after,
    recent_after,
)


def after(head, now_ms):
    """The head when the next revision was made."""
    kept = kept_after(head, now_ms)
    state = State(
        progress=Progress(epoch=head.revision + 1, committed_at=now_ms),
        recent=recent_after(head, now_ms),
        last_spans=(LastSpan(0, 0, 1, 1, 1, 1),),
    )
    oldest = readable_after(head, kept, now_ms).oldest
    return Head(head.revision + 1, oldest, state, kept)


@given(st.lists(st.integers(0, 2 * READABLE_MS), min_size=1, max_size=250))
def test_a_snapshot_stays_readable_for_its_time_or_so_many_revisions(pauses):
    head, now_ms, newest_until = Head(), 0, {}
    for pause in pauses:
        now_ms += pause
        oldest = readable_after(head, (), now_ms).oldest
        assert head.readable_from <= oldest <= head.revision
        for revision, until in newest_until.items():
            is_young = now_ms - until < READABLE_MS
            if is_young and head.revision - revision < READABLE_REVISIONS_MAX:
                assert revision >= oldest
        newest_until[head.revision] = now_ms
        head = after(head, now_ms)
    oldest = readable_after(head, (), now_ms).oldest
    assert head.revision - oldest <= READABLE_REVISIONS_MAX


@given(st.lists(st.sampled_from((0, 40, 9_000, 90_000)), min_size=1, max_size=100))
def test_a_kept_revision_can_be_read_for_half_a_minute_after_it_was_the_newest_one(pauses):
    head, now_ms, newest_until = Head(), 10**9, {}
    for pause in pauses:
        now_ms += pause
        before = head.kept
        if before:
            newest_until[before[-1].revision] = now_ms
        head = after(head, now_ms)
        assert len(head.kept) <= KEPT_MAX
        for kept in before:
            if kept not in head.kept:
                assert now_ms - newest_until[kept.revision] >= KEPT_EVERY_MS
        assert now_ms - head.kept[-1].at < KEPT_EVERY_MS


def test_what_is_kept_is_what_the_head_said_and_no_more():
    head = after(after(Head(), 5), 10)
    [first] = kept_after(head, 10)
    assert (first.revision, first.state.progress.epoch) == (0, 0)
    *_, newest = kept_after(head, 10 + KEPT_EVERY_MS)
    assert (newest.revision, newest.state.progress) == (2, head.state.progress)
    assert newest.state.recent == newest.state.last_spans == ()


def test_a_clock_that_was_ahead_does_not_keep_a_revision_for_ever():
    head = after(after(Head(), 10**12), 10**12)
    for now_ms in range(0, 4 * KEPT_EVERY_MS, KEPT_EVERY_MS):
        head = after(head, now_ms)
    assert [kept.revision for kept in head.kept] == [4, 5]


def test_a_redefinition_ends_what_could_be_read_before_it():
    head = replace(after(after(Head(), 5), 10), readable_from=2)
    assert readable_after(head, (), 11).oldest == 2
