"""The processor of an installation, whichever engine it is, and how it runs."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Protocol, runtime_checkable

from rtcdp.catalog.catalog import absent_folds, chosen_folds, folds_among, load_folds
from rtcdp.catalog.followed import FollowedCatalog
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.commit import TRYING_AGAIN, Listeners
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogReader
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.parts import (
    folds_of,
    kept_by_type_of,
    left_out_text,
    log_reader,
    metrics_left_out,
    metrics_of,
    product_updates,
    store_of,
)
from rtcdp.runtime.processes.leases import processing_right
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.processes.troubles import TroubleNote
from rtcdp.runtime.processing.erasure_turns import ErasureTurns
from rtcdp.runtime.settings import Settings, require_present
from rtcdp.store import EpochReport, Progress, Store, StoreUnavailable
from rtcdp.telemetry import Troubles

SHARDED = "rtcdp.runtime.processing.shards:ShardedProcessor"
SPARK = "rtcdp.runtime.processing.spark:spark_processor"
TELEMETRY = "rtcdp.runtime.telemetry.processor:ProcessorTelemetry"

_log = logging.getLogger(__name__)


DRAIN_S = 3.0
"""How long a processor that was told to stop goes on with what is in the log already."""

CATALOG_LOOK_S = 0.2
"""How soon a stop is noticed by what looks at the catalog as well."""

PART_PATIENCE_S = 20.0
"""How long a part waits for the processor of the run before, which may be on its way out."""


class Processing(Protocol):
    """What every engine's processor is to whoever runs it."""

    listeners: Listeners
    folds: tuple[Fold, ...]
    products: ProductUpdates | None
    store: Store

    @property
    def progress(self) -> Progress: ...

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Process until `stop` is set, or with `once` until the log's end is reached."""
        ...


@runtime_checkable
class InParts(Protocol):
    """A processor whose parts write through stores of their own, each made `measured` by this."""

    measured: Callable[[Store], Store]


class Watching(AbstractContextManager[object], Protocol):
    """What tells operators of the processors of this process, one after another."""

    def watch(self, processor: Processing) -> None:
        """Look at this one from now on. Called when it has the right to its store."""
        ...


class _Nobody(nullcontext[None]):
    def watch(self, processor: Processing) -> None:
        """Where nobody looks."""


NOBODY_LOOKS = _Nobody()


@contextmanager
def processor_of(
    settings: Settings,
    clock: Clock,
    lock_patience_s: float = 0.0,
    metrics: Sequence[Metric] | None = None,
    folds: Sequence[Fold] | None = None,
) -> Iterator[Processing]:
    """The processor of the installation, alone on its store; for its catalog, or for `metrics` and
    `folds`.

    Raises `AlreadyRunning` when another one is still there after `lock_patience_s`, `PartMissing`
    and `UsageError` when the engine and its log are not there or don't go together.
    """
    require_present(settings)
    if metrics is None:
        metrics = metrics_of(settings)
    if folds is None:
        folds = folds_of(settings)
    metrics = stored_metrics(metrics)
    kept_by_type = kept_by_type_of(settings, folds)
    with ExitStack() as parts:
        store = parts.enter_context(store_of(settings))
        if settings.processor.shards > 1:
            # The right to each shard is taken when it is to be counted.
            processor: Processing = deferred(SHARDED)(settings, store, clock, metrics, folds)
            processor.listeners = replace(processor.listeners, on_filling=FillingTold().tell)
        else:
            log = parts.enter_context(log_reader(settings, makes_topic=True))
            parts.enter_context(processing_right(settings, store, clock, lock_patience_s))
            processor = processor_on(settings, log, store, clock, metrics, folds)
            if isinstance(processor, Processor):
                processor.kept_by_type = kept_by_type
            processor.products = parts.enter_context(product_updates(settings, store))
        troubles = Troubles(_log, clock)
        processor.listeners = replace(
            processor.listeners,
            on_trouble=lambda sentence: _tell_trouble(troubles, sentence),
            on_back=troubles.over,
        )
        _tell_of_others(store, settings, [*metrics, *folds])
        yield processor


def processor_on(
    settings: Settings,
    log: LogReader,
    store: Store,
    clock: Clock,
    metrics: Sequence[Metric],
    folds: Sequence[Fold] = (),
) -> Processing:
    """The processor that `settings.engine` names, for `metrics` and `folds`, reading `log` and
    writing to `store`, without any right to it."""
    make = deferred(SPARK) if settings.engine == "spark" else _native_processor
    processor: Processing = make(settings, log, store, clock, metrics)
    processor.folds = tuple(folds)
    return processor


def run_processor(
    settings: Settings,
    clock: Clock,
    stop: threading.Event,
    lock_patience_s: float = 0.0,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Process until `stop` is set, then what is left in the log, for at most `DRAIN_S`. When the
    files of the catalog have changed, it goes on with what they say now; a fold that the settings
    name and whose file is gone stands still until that is back.

    Raises `UsageError` for a fold that isn't there from the beginning, `AlreadyRunning`,
    `EpochRefused` and `OffsetsMissing`, and whatever the store raises that trying again doesn't
    help against.
    """
    note = TroubleNote(settings)
    watching: Watching = NOBODY_LOOKS
    if settings.telemetry.port or settings.telemetry.traces_to:
        watching = deferred(TELEMETRY)(settings, clock)
    try:
        catalog = FollowedCatalog(settings.catalog, _log.warning)
        chosen_folds(settings.folds, catalog.folds)
        with watching:
            while True:
                metrics, known = catalog.known
                folds = folds_among(settings.folds, known)
                with processor_of(settings, clock, lock_patience_s, metrics, folds) as processor:
                    if on_epoch is not None:
                        processor.listeners = replace(processor.listeners, on_epoch=on_epoch)
                    _keep_note(processor, note)
                    watching.watch(processor)
                    with _stopped_or_changed(stop, catalog) as ending:
                        processor.run(ending)
                    if stop.is_set() and isinstance(processor, Processor):
                        _drain(processor, clock)
                if stop.is_set():
                    return
                _tell_of_changes(settings, (*metrics, *folds), catalog)
    except AlreadyRunning:
        raise
    except Exception as error:
        note.write_error(error)
        raise


@contextmanager
def _stopped_or_changed(
    stop: threading.Event, catalog: FollowedCatalog
) -> Iterator[threading.Event]:
    """Set when `stop` is, or when the catalog has changed."""
    ending, is_over = threading.Event(), threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            if stop.wait(CATALOG_LOOK_S) or catalog.look():
                ending.set()
                return

    watching = threading.Thread(target=watch, name="catalog", daemon=True)
    watching.start()
    try:
        yield ending
    finally:
        is_over.set()
        watching.join()


def _tell_of_changes(
    settings: Settings, before: Sequence[Metric | Fold], catalog: FollowedCatalog
) -> None:
    metrics, known = catalog.known
    changed: list[Metric | Fold] = [*metrics, *folds_among(settings.folds, known)]
    _log.info("the catalog has changed: %s", _difference(before, changed))
    for name in absent_folds(settings.folds, known):
        _log.warning(
            "there is no fold %s in the catalog any more, and the settings name it: it stands still"
            " until its file is back, or another choice of folds is set",
            name,
        )


def _difference(before: Sequence[Metric | Fold], after: Sequence[Metric | Fold]) -> str:
    marks = {each.name: each.fingerprint for each in before}
    now = {each.name for each in after}
    counted = [each.name for each in after if marks.get(each.name) != each.fingerprint]
    said = [f"{name} is filled from the log" for name in counted]
    return ", ".join([*said, *(f"{name} stands still" for name in marks if name not in now)])


def run_processor_part(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """`run_processor` in a process that is watched over."""
    run_processor(settings, clock, stop, PART_PATIENCE_S)


def _native_processor(
    settings: Settings, log: LogReader, store: Store, clock: Clock, metrics: Sequence[Metric]
) -> Processor:
    limits = settings.processor
    if settings.log_kind == "kafka":
        limits = limits.of_fetched()
    processor = Processor(log, store, metrics, settings.admission, clock, limits)
    processor.log_retention = settings.log_retention
    processor.store_retention = settings.store_retention
    turns = ErasureTurns(settings, clock, _log.info)
    processor.listeners = replace(
        processor.listeners, on_filling=FillingTold().tell, on_slice=turns.show_up
    )
    processor.turn = turns.take
    return processor


class FillingTold:
    """Tells of what is filled, ten times for each at most."""

    def __init__(self) -> None:
        self._tenths: dict[str, int] = {}

    def tell(self, name: str, share: float) -> None:
        """A `share` (0 to 1) is done."""
        tenth = int(share * 10)
        if tenth > self._tenths.get(name, 0):
            self._tenths[name] = tenth
            _log.info("%s is filled: %d %%", name, tenth * 10)


def _tell_trouble(troubles: Troubles, sentence: str) -> None:
    """What passes by itself has an end that is told as well."""
    if sentence.endswith(TRYING_AGAIN):
        troubles.tell(sentence)
    else:
        _log.warning("%s", sentence)


def _tell_of_others(store: Store, settings: Settings, running: Sequence[Metric | Fold]) -> None:
    """Whoever forgets `--catalog` shall know it. A store that is away says so soon enough, and so
    does whoever follows a catalog that is broken just now."""
    with suppress(StoreUnavailable, UsageError, OSError):
        others = metrics_left_out(store, [*running, *load_folds(settings.catalog)])
        if others:
            _log.warning("%s", left_out_text(others))


def _keep_note(processor: Processing, note: TroubleNote) -> None:
    """Write down what the processor can't reach, until it works again: it says so itself. That an
    epoch was counted is no such word, where shards work beside one that can't."""
    told = processor.listeners

    def on_trouble(trouble: str) -> None:
        told.on_trouble(trouble)
        if trouble.endswith(TRYING_AGAIN):
            note.write(trouble)

    def on_back() -> None:
        told.on_back()
        note.take_away()

    processor.listeners = replace(told, on_trouble=on_trouble, on_back=on_back)


def _drain(processor: Processor, clock: Clock) -> None:
    deadline = clock.monotonic() + DRAIN_S
    if not processor.is_sure:
        # It was to stop before it had begun, or while something was away.
        processor.recover()
    while clock.monotonic() < deadline and processor.step():
        pass
