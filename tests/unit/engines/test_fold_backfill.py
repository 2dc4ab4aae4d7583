"""What is new in an existing store is filled: timelines from the log, rows from the timelines."""

import pytest

from rtcdp.testing.driver import START_MS
from tests.unit.engines.fold_shop import FOLDS, WAY, Installation, differing_from


@pytest.fixture
def shop(tmp_path):
    return Installation(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What comes of all of it at once."""
    return Installation(tmp_path_factory.mktemp("at once"), 10**6).run((*FOLDS, WAY))


def test_folds_that_are_new_are_filled(shop, expected):
    shop.run(())
    assert differing_from(expected, shop.run()) == []
    assert shop.filled == dict.fromkeys([*(fold.name for fold in FOLDS), "timeline__userid"], 1.0)


def test_folds_that_were_left_out_for_a_while_are_filled_where_they_stopped(shop, expected):
    store = shop.open()
    for folds in (FOLDS, (), FOLDS[:1], FOLDS):
        processor = shop.processor(store, folds)
        processor.recover()
        processor.step()
    store.close()
    assert differing_from(expected, shop.run()) == []


def test_a_fold_reaches_back_to_what_the_log_has_lost(shop, expected):
    shop.run()
    shop.log.trim(shop.log.extent(0).next_offset)
    assert differing_from(expected, shop.run((*FOLDS, WAY))) == []
    assert not any("is filled from" in sentence for sentence in shop.said)


def test_what_a_new_timeline_misses_is_told(shop):
    shop.run(())
    shop.log.trim(120)
    found = shop.run()
    assert "timeline__userid is filled from offset 120" in " ".join(shop.said)
    store = shop.open()
    with store.snapshot() as snapshot:
        times = {fold.name: snapshot.complete_from(fold.name) for fold in FOLDS}
    store.close()
    (time,) = set(times.values())
    assert time > START_MS
    assert found["timeline__userid"].height < 180
