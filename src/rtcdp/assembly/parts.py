"""From settings to the parts of an installation, each made the same way wherever it is needed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import Clock
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.log import LogReader, LogWriter
from rtcdp.settings import Settings
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric


def metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """The catalog: built-in metrics and those of `settings.catalog`."""
    return load_catalog(settings.catalog)


@contextmanager
def log_reader(settings: Settings) -> Iterator[LogReader]:
    """Where records are read; the log may not be there yet."""
    with closing(EmbeddedLogReader(settings.log_directory)) as reader:
        yield reader


@contextmanager
def log_writer(settings: Settings, clock: Clock) -> Iterator[LogWriter]:
    """Where records are appended; makes the log if it is missing."""
    with closing(EmbeddedLogWriter(settings.log_directory, clock)) as writer:
        yield writer


@contextmanager
def store_of(settings: Settings, *, read_only: bool = False) -> Iterator[Store]:
    """Where answers are kept. One that is only read may not be there yet, and is empty then."""
    path = settings.store_file
    if not read_only:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(SqliteStore(path, read_only=read_only)) as store:
        yield store
