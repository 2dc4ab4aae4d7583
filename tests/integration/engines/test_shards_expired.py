"""Rows expire in a store while the processors of its shards still have them in memory."""

import random
import threading
from contextlib import closing

from rtcdp.engines.commit import Listeners
from rtcdp.testing.traffic import START_MS
from tests.integration.engines.test_shards import FOLDS, Installation, event_of, user_in

SESSIONS = tuple(fold for fold in FOLDS if fold.name == "sessions")


def test_rows_that_have_expired_under_a_shard_are_made_anew(postgres_schema_url):
    with closing(Installation(postgres_schema_url, random.Random(2), (), SESSIONS)) as made:
        processor, _ = made.divide(2)
        log, caretaker, user = made.log, made.caretaker, user_in(0)
        log.append([event_of(user)], 0)
        said, stop = [], threading.Event()

        def expire(each):
            if each.progress.epoch == 1 and not said:
                caretaker.expire(
                    buckets_before=START_MS + 1, uncounted_before=0, offsets_before={0: 0}
                )
                log.append([event_of(user, START_MS + 1_000)], 0)

        def hear(sentence):
            said.append(sentence)
            if len(said) == 3:
                stop.set()

        processor.turn, processor.listeners = expire, Listeners(on_trouble=hear)
        processor.run(stop, once=True)
        assert processor.progress.epoch == 2
        assert len(said) == 1
        [fold] = SESSIONS
        visits = made.store.dump(fold.table).select("start", "event_count").rows()
        assert visits == [(START_MS + 1_000, 1)]
