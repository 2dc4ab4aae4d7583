"""From settings to the parts of an installation, each made the same way wherever it is needed.

Adapters of servers are imported when they are asked for: the embedded ones need no library of
theirs.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from rtcdp.assembly.deferred import deferred
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.log import LogReader, LogWriter
from rtcdp.settings import Settings, require_present
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric

KAFKA_TOPIC = "rtcdp.log.kafka:parse_topic"
KAFKA_READER = "rtcdp.log.kafka:KafkaLogReader"
KAFKA_WRITER = "rtcdp.log.kafka:KafkaLogWriter"
SERVER_STORES = {
    "postgresql": "rtcdp.store.postgres:PostgresStore",
    "mongodb": "rtcdp.store.mongo:MongoStore",
}
"""Each takes the URL, and `read_only`."""


def metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """The catalog: built-in metrics and those of `settings.catalog`."""
    return load_catalog(settings.catalog)


@contextmanager
def log_reader(settings: Settings) -> Iterator[LogReader]:
    """Where records are read; the log may not be there yet. Raises `PartMissing`."""
    with closing(_log_reader(settings)) as reader:
        yield reader


@contextmanager
def log_writer(settings: Settings, clock: Clock) -> Iterator[LogWriter]:
    """Where records are appended; makes the log if it is missing. Raises `PartMissing`."""
    with closing(_log_writer(settings, clock)) as writer:
        yield writer


@contextmanager
def store_of(settings: Settings, *, read_only: bool = False) -> Iterator[Store]:
    """Where answers are kept. One that is only read may not be there yet, and is empty then.

    Raises `PartMissing`.
    """
    with closing(_store(settings, read_only)) as store:
        yield store


def require_reachable(settings: Settings) -> None:
    """Raises `LogUnavailable` or `StoreUnavailable` when one of them doesn't answer now, and
    `PartMissing` when what it needs isn't installed."""
    with log_reader(settings) as log:
        log.partitions()
    with store_of(settings, read_only=True) as store:
        store.progress()


def embedded_log_writer(settings: Settings, clock: Clock) -> EmbeddedLogWriter:
    """The writer of an embedded log, for what only that can do.

    Raises `UsageError` for another log, or when it is not there.
    """
    if settings.log_kind != "embedded":
        raise UsageError(
            f"the log is {settings.log_kind}, which keeps no list of sources",
            "a collector learns them from the newest records when it starts: start it again",
        )
    if not settings.log_directory.is_dir():
        raise UsageError(
            f"there is no log in {settings.log_directory}", "name the folder with --data-dir"
        )
    return EmbeddedLogWriter(settings.log_directory, clock)


def _log_reader(settings: Settings) -> LogReader:
    if settings.log_kind == "embedded":
        return EmbeddedLogReader(settings.log_directory)
    require_present(settings)
    made: LogReader = deferred(KAFKA_READER)(
        deferred(KAFKA_TOPIC)(settings.log_url), settings.kafka
    )
    return made


def _log_writer(settings: Settings, clock: Clock) -> LogWriter:
    if settings.log_kind == "embedded":
        return EmbeddedLogWriter(settings.log_directory, clock)
    require_present(settings)
    made: LogWriter = deferred(KAFKA_WRITER)(
        deferred(KAFKA_TOPIC)(settings.log_url), settings.kafka
    )
    return made


def _store(settings: Settings, read_only: bool) -> Store:
    if settings.store_kind == "sqlite":
        path = settings.store_file
        if not read_only:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SqliteStore(path, read_only=read_only)
    require_present(settings)
    made: Store = deferred(SERVER_STORES[settings.store_kind])(
        settings.store_url, read_only=read_only
    )
    return made
