"""The index as keyed state: what Spark is asked for, and what is kept beside it."""

import json

import numpy as np

from rtcdp.admission.repeats import Sightings
from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.spark.judging import RunCache, remembered_property
from rtcdp.engines.spark.seen_runs import FAN_IN, RUN_ID_BYTES
from rtcdp.store.sqlite import SqliteStore
from tests.unit.engines.spark.local_query import LocalQuery, Topic
from tests.unit.engines.spark.test_counting import BY_USER, hit, totals


def a_run(count: int) -> Sightings:
    numbers = np.arange(count)
    codes = numbers.astype(np.uint64)
    return Sightings(codes, numbers, numbers, codes, numbers)


def test_a_cache_of_runs_is_bounded_and_forgets_the_least_used() -> None:
    cache = RunCache(bytes_max=100 * RUN_ID_BYTES)
    for name in ("a", "b"):
        cache.put(name, a_run(50))
    assert cache.get("a") is not None
    cache.put("c", a_run(50))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.put("huge", a_run(1_000))
    assert cache.get("huge") is not None
    assert cache.get("c") is None


def test_the_local_property_is_a_text_that_names_partitions() -> None:
    assert json.loads(remembered_property({0: 12, 10: 2**40})) == {"0": 12, "10": 2**40}


def test_the_runs_of_many_batches_stay_few_and_find_everything(tmp_path) -> None:
    topic, store = Topic(), SqliteStore(tmp_path / "store.db")
    topic.send(*(hit("same", n) for n in range(FAN_IN**2 + 5)))
    query = LocalQuery(topic, store, [BY_USER], AdmissionRules())
    query.run(1)
    (state,) = (state for state in query.states.values() if state.runs)
    assert len(state.runs) == 1 + 5
    assert totals(store)["duplicate"] == FAN_IN**2 + 4
    store.close()
