"""Every engine on every store gives the oracle's answers.

An engine joins by its entry in `ENGINES`, a store by its line in the registry of adapters.
`--engines` and `--stores` pick some of them. Spark takes long, so a module may name in `SPARK_ON`
the stores that `make test` lets it write to; `make chaos` takes all.
"""

import threading
from contextlib import closing
from functools import partial
from tempfile import TemporaryDirectory

import pytest
from confluent_kafka import Producer

from rtcdp.clock import ManualClock
from rtcdp.definitions import Fold, Metric
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.engines.spark.stories import StoreAccess
from rtcdp.log.envelope import headers_for
from rtcdp.log.kafka import KafkaLogReader, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime import adapters
from tests.scale import IS_CHAOS


def _native(request, log, store, catalog, rules, max_batch_bytes):
    del request
    metrics = [each for each in catalog if isinstance(each, Metric)]
    limits = ProcessorLimits(max_batch_bytes=max_batch_bytes, epoch_every_s=0)
    processor = Processor(log, store, metrics, rules, ManualClock(), limits)
    processor.folds = tuple(each for each in catalog if isinstance(each, Fold))
    _follow_products(processor, log, store)
    processor.run(threading.Event(), once=True)


def _spark(request, log, store, catalog, rules, max_batch_bytes):
    """Reads what is in `log` from a topic with the same partitions."""
    metrics = [each for each in catalog if isinstance(each, Metric)]
    folds = tuple(each for each in catalog if isinstance(each, Fold))
    request.getfixturevalue("spark")
    kafka = request.getfixturevalue("kafka_server")
    topic = request.getfixturevalue("new_topic")(len(log.partitions()))
    produce(kafka.bootstrap, topic, log.records())
    with (
        TemporaryDirectory() as checkpoint,
        closing(KafkaLogReader(parse_topic(kafka.url(topic)), KafkaTopicSettings())) as reader,
    ):
        # A batch of Spark's takes a second however small it is. Stories need few events.
        least = 150 if folds else 2_000
        limits = SparkLimits(
            master="local[2]",
            checkpoint=checkpoint,
            max_offsets_per_trigger=min(max(least, max_batch_bytes // 20), 1_000_000),
        )
        source = KafkaSource(reader, kafka.bootstrap, topic)
        processor = SparkProcessor(source, store, metrics, rules, ManualClock(), limits)
        if folds:
            place = _place(request.getfixturevalue("store_name"), request)
            processor.folds, processor.store_access = folds, StoreAccess(*place)
        _follow_products(processor, log, store)
        processor.run(threading.Event(), once=True)


def _follow_products(processor, log, store):
    """Let it follow the log of product updates that a test has put beside that of events."""
    products = getattr(log, "products", None)
    if products is not None:
        processor.products = ProductUpdates(products, store)


def produce(bootstrap, topic, records):
    """Send records to the partitions that they lie in."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(
            topic,
            record.raw,
            partition=record.partition,
            timestamp=record.received_at,
            headers=headers_for(record.source, record.intake, record.replay_of),
        )
    assert producer.flush(60) == 0


def _store(scheme, request, read_only):
    """Of any kind that there is: in a file of the test's own, or on the test's server."""
    opener, url = _place(scheme, request)
    return opener(url, read_only=read_only)


def _place(scheme, request):
    """What opens the test's store, and its URL."""
    adapter = adapters.STORES[scheme]
    if adapter.in_files:
        url = f"{scheme}:{request.getfixturevalue('tmp_path') / 'store.db'}"
    else:
        url = request.getfixturevalue(SERVERS[scheme])
    return adapter.opener("open_store"), url


ENGINES = {"native": _native, "spark": _spark}
"""Each runs until it has caught up: (request, log, store, catalog, rules, max_batch_bytes). A
catalog is of metrics and folds."""

SERVERS = {"mongodb": "mongo_url", "postgresql": "postgres_schema_url"}
"""The fixture that gives the URL of a place of the test's own on a server."""

STORES = {scheme: partial(_store, scheme) for scheme in sorted(adapters.STORES)}
"""Each opens the store of a test: (request, read_only)."""


def pytest_configure(config):
    config.addinivalue_line("markers", "asks_nobody: of no part that was asked for")


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
            # A module may say which of them can keep what it promises, and why only those.
            able = getattr(metafunc.module, option.upper(), known)
            chosen = [name for name in asked or sorted(known) if name in able]
            nobody = pytest.param(None, marks=pytest.mark.asks_nobody)
            metafunc.parametrize(fixture, chosen or [nobody], scope="session")


def pytest_collection_modifyitems(config, items):
    """What none of the parts that were asked for can keep is no test of theirs: it isn't skipped,
    it isn't there."""
    nobodys = [
        item
        for item in items
        if item.get_closest_marker("asks_nobody") or is_left_to_chaos(item, config)
    ]
    if nobodys:
        config.hook.pytest_deselected(items=nobodys)
        items[:] = [item for item in items if item not in set(nobodys)]


def is_left_to_chaos(item, config):
    """Whether it is of Spark on a store that its module does without, and nobody asked for it."""
    asked = IS_CHAOS or config.getoption("--engines") or config.getoption("--stores")
    if asked or not hasattr(item, "callspec"):
        return False
    drawn = item.callspec.params
    if drawn.get("engine_name") != "spark" or "store_name" not in drawn:
        return False
    return drawn["store_name"] not in getattr(item.module, "SPARK_ON", STORES)


@pytest.fixture
def run_engine(engine_name, request):
    """Runs the engine of this test until it has caught up."""
    return partial(ENGINES[engine_name], request)


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
