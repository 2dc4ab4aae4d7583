"""From settings to the parts of an installation, each made the same way wherever it is needed.

Adapters of servers are imported when they are asked for: the embedded ones need no library of
theirs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import overload

from rtcdp.catalog.catalog import chosen_folds, folds_among, load_catalog, load_folds
from rtcdp.catalog.followed import FollowedCatalog
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.engines.notices import rests_beside_folds
from rtcdp.engines.resume import check_same_log
from rtcdp.errors import PartMissing, RtcdpError, UsageError
from rtcdp.log.contract import LogReader, LogWriter
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.log.limits import LogOptions
from rtcdp.log.shortening import ShorteningWriter
from rtcdp.runtime.adapters import LOGS, STORES
from rtcdp.runtime.parts.foreign import translation_of
from rtcdp.runtime.parts.guarded_log import GuardedLogWriter, watched
from rtcdp.runtime.settings import Settings, require_present, without_password
from rtcdp.store import Progress, Store


def metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """The catalog: built-in metrics and those of `settings.catalog`."""
    return load_catalog(settings.catalog)


def stored_metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """What of the catalog's metrics engines compute and the store holds."""
    return stored_metrics(metrics_of(settings))


def folds_of(settings: Settings) -> tuple[Fold, ...]:
    """The folds that run: of the built-in ones and those of `settings.catalog`, what
    `settings.folds` chooses. Raises `UsageError` for one that isn't there."""
    return chosen_folds(settings.folds, load_folds(settings.catalog))


class FollowedFolds(Sequence[Fold]):
    """The folds that run, as the files of a followed catalog are now."""

    def __init__(self, catalog: FollowedCatalog, choice: str) -> None:
        self._catalog = catalog
        self._choice = choice

    def _now(self) -> tuple[Fold, ...]:
        return folds_among(self._choice, self._catalog.folds)

    def __len__(self) -> int:
        return len(self._now())

    def __iter__(self) -> Iterator[Fold]:
        return iter(self._now())

    @overload
    def __getitem__(self, index: int) -> Fold: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Fold]: ...

    def __getitem__(self, index: int | slice) -> Fold | Sequence[Fold]:
        return self._now()[index]


@contextmanager
def log_reader(
    settings: Settings,
    patience_s: float | None = None,
    *,
    makes_topic: bool = False,
    asks_registry: bool = True,
) -> Iterator[LogReader]:
    """Where records are read; the log may not be there yet. A server that doesn't answer is waited
    for `patience_s`, or for as long as is usual. With `makes_topic`, a topic that is missing is
    made at the first look at it. Unless it `asks_registry`, messages by a schema are given as they
    are written: intake has others to look at. Raises `PartMissing`."""
    if not asks_registry:
        plain = replace(settings.kafka, schema_registry="", schema_mapping="events")
        settings = replace(settings, kafka=plain)
    with closing(_log_reader(settings, patience_s, makes_topic)) as reader:
        yield reader


@contextmanager
def log_writer(settings: Settings, clock: Clock) -> Iterator[LogWriter]:
    """Where records are appended; makes the log if it is missing. Raises `PartMissing`, and
    `LogReplaced` or `OffsetsMissing` when the store has counted another log."""
    if store_is_meant(settings):
        with log_reader(settings, asks_registry=False) as log:
            check_same_log(log, _progress(settings))
    with closing(_log_writer(settings, clock, must_exist=False)) as writer:
        yield writer


def store_is_meant(settings: Settings) -> bool:
    """Whether the settings' log and store belong together: not, where somebody named a log and the
    store is only the one that happens to lie in the data folder."""
    return bool(settings.store) or not settings.log


@contextmanager
def guarded_log_writer(
    settings: Settings, clock: Clock, on_trouble: Callable[[str], None], *, has_store: bool = True
) -> Iterator[GuardedLogWriter]:
    """Where records are appended for a long time, as long as it is the log that the store has
    counted; `on_trouble` takes a sentence when it is not. Without a store, any log will do."""
    with log_reader(settings, asks_registry=False) as log, ExitStack() as stack:
        store: list[Store] = []

        def progress() -> Progress:
            if not has_store:
                return Progress()
            if not store:
                store.append(stack.enter_context(store_of(settings, read_only=True)))
            return store[0].progress()

        writer = GuardedLogWriter(
            lambda must_exist: _log_writer(settings, clock, must_exist=must_exist),
            log,
            progress,
            on_trouble,
        )
        with closing(writer):
            writer.look()
            with watched(writer):
                yield writer


@contextmanager
def store_of(settings: Settings, *, read_only: bool = False) -> Iterator[Store]:
    """Where answers are kept. One that is only read may not be there yet, and is empty then.

    Raises `PartMissing`.
    """
    with closing(_store(settings, read_only)) as store:
        yield store


def require_store(settings: Settings) -> None:
    """Raise `PartMissing` unless there is a store to look into: a processor has worked on it."""
    if settings.store_path is not None:
        if not settings.store_path.exists():
            raise _nothing_there(settings, "store", settings.store_path)
        return
    with store_of(settings, read_only=True) as store:
        if store.progress().epoch == 0 and not store.metrics():
            raise PartMissing(
                f"there is nothing yet in the store {without_password(settings.store_url)}",
                "name another one with --store, or start a processor on it: rtcdp process",
            )


def require_log(settings: Settings) -> None:
    """Raise `PartMissing` unless there is a log to look into."""
    if settings.log_path is not None:
        if not settings.log_path.exists():
            raise _nothing_there(settings, "log", settings.log_path)
        return
    with log_reader(settings) as log:
        if not log.partitions():
            raise PartMissing(
                f"there is no topic yet at {without_password(settings.log_url)}",
                "name another one with --log, or start what writes to it: rtcdp collect",
            )


def _nothing_there(settings: Settings, what: str, path: Path) -> PartMissing:
    folder = path.parent
    if not folder.exists():
        said = f"there is no folder {folder}, and so no {what}"
    else:
        said = f"there is no {what} yet: {path}"
    begin = "start one: rtcdp up"
    if what == "store" and settings.log_path is not None and settings.log_path.exists():
        begin = f"count what is in {settings.log_url} with the same flags: rtcdp process --once"
    return PartMissing(said, f"name the installation with --data-dir (or --{what}), or {begin}")


def metrics_left_out(store: Store, catalog: Sequence[Metric | Fold]) -> tuple[str, ...]:
    """The names of metrics and folds that the store has tables of and that are not in the catalog.
    Raises what the store raises."""
    metrics = stored_metrics(each for each in catalog if isinstance(each, Metric))
    known = {each.name for each in (*metrics, *catalog, *PRODUCT_TABLES)}
    others = {*store.metrics(), *store.row_tables()} - known
    return tuple(sorted(name for name in others if not rests_beside_folds(name)))


def left_out_text(names: Sequence[str]) -> str:
    """What to say of them."""
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return (
        "the store has metrics or folds that are not in the catalog, and they stand still:"
        f" {listed} – give the --catalog that has them"
    )


def require_reachable(settings: Settings) -> None:
    """Raises `LogUnavailable` or `StoreUnavailable` when one of them doesn't answer now, and
    `PartMissing` when what it needs isn't installed."""
    with log_reader(settings) as log:
        log.partitions()
    with store_of(settings, read_only=True) as store:
        store.progress()


def embedded_log_writer(settings: Settings, clock: Clock) -> EmbeddedLogWriter:
    """The writer of an embedded log, for what only that can do.

    Raises `UsageError` for another log, and `PartMissing` when it is not there.
    """
    if settings.log_path is None:
        raise UsageError(
            f"the log is {settings.log_kind}, which keeps no list of sources",
            "a collector learns them from the newest records when it starts: start it again",
        )
    if not settings.log_path.is_dir():
        raise PartMissing(f"there is no log in {settings.log_path}", "name it with --data-dir")
    return EmbeddedLogWriter(settings.log_path, clock)


def _log_reader(
    settings: Settings, patience_s: float | None, makes_topic: bool = False
) -> LogReader:
    require_present(settings)
    options = LogOptions(
        settings.kafka,
        patience_s=patience_s,
        makes_topic=makes_topic,
        translation=translation_of(settings.kafka) if settings.log_kind == "kafka" else None,
    )
    made: LogReader = LOGS[settings.log_kind].opener("open_reader")(settings.log_url, options)
    return made


def _progress(settings: Settings) -> Progress:
    """How far the store is; at nothing where it can't be asked."""
    try:
        with store_of(settings, read_only=True) as store:
            return store.progress()
    except RtcdpError:
        return Progress()


def _log_writer(settings: Settings, clock: Clock, *, must_exist: bool) -> LogWriter:
    require_present(settings)
    options = LogOptions(settings.kafka, must_exist=must_exist)
    made: LogWriter = LOGS[settings.log_kind].opener("open_writer")(
        settings.log_url, clock, options
    )
    names = settings.privacy.names
    return ShorteningWriter(made, names) if names else made


def _store(settings: Settings, read_only: bool) -> Store:
    require_present(settings)
    opened = STORES[settings.store_kind].opener("open_store")
    made: Store = opened(settings.store_url, read_only=read_only)
    return made
