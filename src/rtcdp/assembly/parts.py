"""From settings to the parts of an installation, each made the same way wherever it is needed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rtcdp.assembly.locks import Lock, holder_of
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import Clock
from rtcdp.engines.native.processor import Processor
from rtcdp.errors import PartMissing
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.log import LogReader, LogWriter
from rtcdp.settings import Settings
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric


def metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """The catalog: built-in metrics and those of `settings.catalog`."""
    return load_catalog(settings.catalog)


def require_native(settings: Settings) -> None:
    """Raise `PartMissing` unless the engine that was asked for is there."""
    if settings.engine != "native":
        raise PartMissing(
            f"the engine {settings.engine} is not part of this version yet", "use --engine native"
        )


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


def processor_lock_path(settings: Settings) -> Path:
    """Beside the store's file, so that two processors of one store find each other."""
    path = settings.store_file
    return path.with_name(f"{path.name}.processor.lock")


@contextmanager
def processor_of(
    settings: Settings, clock: Clock, lock_patience_s: float = 0.0
) -> Iterator[Processor]:
    """The processor of the installation, alone on its store.

    Raises `AlreadyRunning` when another one is still there after `lock_patience_s`.
    """
    require_native(settings)
    metrics = metrics_of(settings)
    with (
        Lock(processor_lock_path(settings), "a processor", patience_s=lock_patience_s),
        log_reader(settings) as log,
        store_of(settings) as store,
    ):
        processor = Processor(log, store, metrics, settings.admission, clock, settings.processor)
        processor.log_retention = settings.log_retention
        processor.store_retention = settings.store_retention
        yield processor


def running_lock(settings: Settings) -> Lock:
    """Mark the installation in `settings.data_dir` as running; `announce` its address then.

    Raises `AlreadyRunning` when it is, and `UsageError` when the folder can't be written to.
    """
    return Lock(_running_lock_path(settings), f"rtcdp on {settings.data_dir}")


def running_url(settings: Settings) -> str | None:
    """Where the installation in `settings.data_dir` takes events; None when it isn't running."""
    holder = holder_of(_running_lock_path(settings))
    return holder.url or None if holder is not None else None


def _running_lock_path(settings: Settings) -> Path:
    return settings.data_dir / "up.lock"
