"""Every measure that there is a file of, over disorder and repeats: each engine on each store gives
the oracle's rows. A new file joins by being there.
"""

import importlib
import inspect
import pkgutil
import random
from dataclasses import MISSING, fields

import msgspec

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Count, Measure, Metric, measures, tables_of, tumbling
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.oracle import Oracle

SPARK_ON = ("sqlite",)
"""What Spark hands to any of the stores is of the same shape."""

START_MS = 1_767_225_600_000
RULES = AdmissionRules(allowed_lateness_ms=10**9)
EVENTS = 600
EXAMPLES = {"of": "events", "to": "events", "field": "productId", "k": 3, "q": 0.5}
"""What to give for a parameter without a default, by its name."""


def all_measures() -> list[type[Measure]]:
    """Of every module in the folder of measures."""
    modules = [
        importlib.import_module(f"{measures.__name__}.{module.name}")
        for module in pkgutil.iter_modules(measures.__path__)
    ]
    found = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Measure) and not inspect.isabstract(kind)
    }
    return sorted(found, key=lambda kind: kind.__name__)


def example_of(kind: type[Measure]) -> Measure:
    """One with a name, and an example for whatever else it needs."""
    needed = [entry.name for entry in fields(kind) if entry.default is MISSING]
    return kind(**{name: "asked" if name == "name" else EXAMPLES[name] for name in needed})


def filled_log() -> MemoryLog:
    chance = random.Random(11)
    log = MemoryLog(lambda: chance.randint(1, 200))
    times = [START_MS + chance.randrange(600_000) for _ in range(EVENTS)]
    for position, timestamp in enumerate(times):
        event = {
            "eventId": f"e{chance.randrange(EVENTS)}",
            "userId": f"u{chance.randrange(5)}",
            "timestamp": timestamp,
            "eventType": chance.choice(["PAGE_VIEW", "PURCHASE"]),
            "productId": chance.choice([None, "a", "b", "c", "d"]),
            "value": chance.choice([None, 0.0, -3.25, 1.5, 20.0, 1e9, 0.000001]),
        }
        log.append([Delivery(msgspec.json.encode(event) + b"\n", 1, START_MS + position)])
    return log


def metric_of(kind: type[Measure]) -> Metric:
    name = f"with_{kind.kind}"
    measures = (Count("events"), example_of(kind))
    return Metric(name, kind.__name__, tumbling(minutes=1), measures, ("userId",))


def test_a_measure_is_what_the_oracle_says(run_engine, open_store):
    metrics = tuple(map(metric_of, all_measures()))
    log, store = filled_log(), open_store()
    run_engine(log, store, metrics, RULES, 20_000)
    expected = Oracle(metrics, RULES).feed(log.records()).rows
    for metric in metrics:
        for table in tables_of(metric):
            width = len(table.primary_key)
            dumped = store.dump(table)
            found = {row[:width]: list(row[width:]) for row in dumped.rows()}
            assert found == expected[table.name], table.name
            assert len(dumped) == len(found), table.name
