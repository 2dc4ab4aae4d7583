"""Every engine on every store gives the oracle's answers.

An engine or a store joins by its entry in `ENGINES` or `STORES`. `--engines` and `--stores` pick
some of them.
"""

import threading

import pytest

from rtcdp.clock import ManualClock
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.store.mongo import MongoStore
from rtcdp.store.postgres import PostgresStore
from rtcdp.store.sqlite import SqliteStore


def _native(log, store, metrics, rules, max_batch_bytes):
    limits = ProcessorLimits(max_batch_bytes=max_batch_bytes, epoch_every_s=0)
    processor = Processor(log, store, metrics, rules, ManualClock(), limits)
    processor.run(threading.Event(), once=True)


def _sqlite(request, read_only):
    path = request.getfixturevalue("tmp_path") / "store.db"
    return SqliteStore(path, read_only=read_only)


def _postgresql(request, read_only):
    return PostgresStore(request.getfixturevalue("postgres_schema_url"), read_only=read_only)


def _mongodb(request, read_only):
    return MongoStore(request.getfixturevalue("mongo_url"), read_only=read_only)


ENGINES = {"native": _native}
"""Each runs until it has caught up: (log, store, metrics, rules, max_batch_bytes)."""

STORES = {"mongodb": _mongodb, "postgresql": _postgresql, "sqlite": _sqlite}
"""Each opens the store of a test: (request, read_only)."""


def pytest_generate_tests(metafunc):
    for fixture, option, known in (
        ("engine_name", "engines", ENGINES),
        ("store_name", "stores", STORES),
    ):
        if fixture in metafunc.fixturenames:
            asked = [name for name in metafunc.config.getoption(f"--{option}").split(",") if name]
            unknown = set(asked) - set(known)
            if unknown:
                raise pytest.UsageError(f"--{option} takes {', '.join(known)}; not {unknown}")
            metafunc.parametrize(fixture, asked or sorted(known), scope="session")


@pytest.fixture
def run_engine(engine_name):
    """Runs the engine of this test until it has caught up."""
    return ENGINES[engine_name]


@pytest.fixture
def open_store(store_name, request):
    """Opens the test's one store, as often as it is asked to; all are closed at the end."""
    opened = []

    def open_one(*, read_only=False):
        opened.append(STORES[store_name](request, read_only))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
