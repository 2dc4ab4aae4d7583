"""Rows that are read while others of their table are being written."""

from dataclasses import replace

import pytest

from rtcdp.engines.folding import Folding
from rtcdp.testing.epochs import EpochMaker
from tests.stories import event, frame_of
from tests.unit.engines.told_folds import FOLDS, MINUTE


@pytest.mark.parametrize("is_late", [False, True])
def test_who_reads_what_is_under_way_waits_for_it(store, is_late):
    maker, folding = EpochMaker(), Folding(FOLDS[:3], store)
    store.prepare((), folding.tables)
    at = 100 * 60 * MINUTE
    waited = []

    def commit(batch):
        changes = folding.fold(frame_of(batch), maker.number + 1)
        return replace(maker.make(admitted=len(batch)), rows=changes)

    store.commit(commit([event(at, eventId="e1"), event(at, user="bob", eventId="b1")]))
    folding.committed()
    epoch = commit([event(at + MINUTE, eventId="e2")])
    folding.under_way(lambda: (waited.append(1), store.commit(epoch), folding.landed()))
    if is_late:
        for cache in folding._caches.values():
            cache.drop()  # it was forgotten to make room
        following = commit([event(at + 2 * MINUTE, eventId="e3")])
    else:
        following = commit([event(at + 2 * MINUTE, user="bob", eventId="b2")])
    assert bool(waited) is is_late
    if not waited:
        store.commit(epoch)
    folding.landed()
    store.commit(following)
    folding.committed()
    counts = store.dump(FOLDS[0].table).select("userId", "event_count").rows()
    assert counts == ([("ann", 3), ("bob", 1)] if is_late else [("ann", 2), ("bob", 2)])
