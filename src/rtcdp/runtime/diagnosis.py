"""What the machine and the data folder are like, for `rtcdp doctor`: facts, and what is broken."""

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rtcdp.answers.shards import awaited, without_processor
from rtcdp.catalog.catalog import load_definitions
from rtcdp.clock import Clock
from rtcdp.definitions import Metric
from rtcdp.engines.resume import check_continuation
from rtcdp.errors import RtcdpError, UsageError
from rtcdp.log.contract import OffsetsMissing
from rtcdp.runtime.parts import (
    folds_of,
    kept_by_type_of,
    left_out_text,
    log_reader,
    metrics_left_out,
    registry_kinds,
    store_of,
    stored_metrics_of,
)
from rtcdp.runtime.processes.locks import running_url
from rtcdp.runtime.processes.ports import claim_port, is_listening, is_rtcdp
from rtcdp.runtime.processes.troubles import trouble_of_processor
from rtcdp.runtime.settings import Settings, unknown_variables, without_password
from rtcdp.store import Progress, RulesInForce
from rtcdp.store.checksums import SelfCheck, check_sums

MIN_FREE_BYTES = 1 * 2**30
SLOW_FSYNC_MS = 50.0
OLDEST_PYTHON = (3, 11)

_PACKAGES = ("adbc-driver-sqlite", "granian", "litestar", "msgspec", "polars", "xxhash")
SUMS_PATIENCE_S = 5.0
"""How long to add up the counts of a store."""

_FSYNCS = 5
_RELEASE_MS = 1_767_225_600_000  # 2026-01-01T00:00:00.000Z
_SKEW_MS = 60_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is like, and what to do if it is not well."""

    what: str
    state: Literal["ok", "odd", "broken"]
    fact: str
    hint: str = ""


def diagnose(settings: Settings, environment: Mapping[str, str], clock: Clock) -> list[Finding]:
    """Look at everything that a running installation needs. Changes nothing but a trial file."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _packages,
        lambda: _folder(settings.data_dir),
        lambda: _port(settings),
        lambda: _log(settings, clock),
        lambda: schema_registry(settings),
        lambda: _store(settings, clock),
        lambda: _catalog(settings),
        lambda: _kept_by_type(settings),
        lambda: _clock(clock),
        lambda: _environment(environment),
    )
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    is_new = sys.version_info >= OLDEST_PYTHON
    yield Finding(
        "Python",
        "ok" if is_new else "broken",
        f"{platform.python_version()} on {platform.system()}",
        "" if is_new else "install Python 3.11 or newer, and run make setup PYTHON=python3.11",
    )


def _packages() -> Iterator[Finding]:
    versions, absent = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        yield Finding("packages", "broken", f"missing: {', '.join(absent)}", "run make setup")
    else:
        yield Finding("packages", "ok", ", ".join(versions))


def _folder(data_dir: Path) -> Iterator[Finding]:
    place = _nearest(data_dir)
    if not os.access(place, os.W_OK | os.X_OK) or not place.is_dir():
        hint = "make it writable, or name another folder with --data-dir"
        yield Finding("data folder", "broken", f"{place} can't be written to", hint)
        return
    yield Finding("data folder", "ok", f"{data_dir}{'' if data_dir.exists() else ', to be made'}")
    free = shutil.disk_usage(place).free
    yield Finding(
        "free disk",
        "ok" if free >= MIN_FREE_BYTES else "odd",
        f"{free / 2**30:,.1f} GiB",
        "" if free >= MIN_FREE_BYTES else "free some space before it runs full",
    )
    yield _fsync(place)


def _fsync(place: Path) -> Finding:
    """How long a small write takes to be on disk: the least that an acknowledgement waits."""
    taken_ms = []
    with tempfile.TemporaryFile(dir=place) as trial:
        for _ in range(_FSYNCS):
            trial.write(b"x" * 4096)
            trial.flush()
            began = time.perf_counter()
            os.fsync(trial.fileno())
            taken_ms.append((time.perf_counter() - began) * 1000)
    slowest = max(taken_ms)
    is_quick = slowest < SLOW_FSYNC_MS
    hint = "" if is_quick else "events wait that long for their answer; take a faster disk"
    return Finding("fsync", "ok" if is_quick else "odd", f"{slowest:.1f} ms at most", hint)


def _port(settings: Settings) -> Iterator[Finding]:
    own = running_url(settings)
    if own is not None:
        yield Finding("port", "ok", f"rtcdp runs already, at {own}")
        return
    try:
        claim_port(settings.host, settings.port)
    except RtcdpError as error:
        if is_rtcdp(settings.host, settings.port):
            fact = "a server of rtcdp answers there already"
            hint = "well if it is this installation's; else take another port with --port"
            yield Finding("port", "odd", f"{settings.host}:{settings.port}: {fact}", hint)
            return
        answers = is_listening(settings.host, settings.port)
        fact = "another program listens there" if answers else str(error)
        yield Finding("port", "broken", f"{settings.host}:{settings.port}: {fact}", error.hint)
    else:
        yield Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _place_of(what: str, folder: Path, settings: Settings) -> Iterator[Finding]:
    """A folder outside of the data folder that a part keeps its files in."""
    if folder.exists() or folder.is_relative_to(settings.data_dir):
        return
    place = _nearest(folder)
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        fact = f"there is no folder {folder}; it would be made"
        yield Finding(what, "odd", fact, f"check --{what}, or leave it so")
    else:
        fact = f"there is no folder {folder}, and {place} can't be written to"
        yield Finding(what, "broken", fact, f"name another place with --{what}")


def _nearest(place: Path) -> Path:
    """The place, or the nearest folder above that is there."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _log(settings: Settings, clock: Clock) -> Iterator[Finding]:
    if settings.log_path is not None:
        missing = list(_place_of("log", settings.log_path.parent, settings))
        if missing:
            yield from missing
            return
    try:
        with log_reader(settings) as log:
            extents = [log.extent(partition) for partition in log.partitions()]
            for extent in extents:
                if extent.first_offset < extent.next_offset:
                    log.read(extent.partition, extent.next_offset - 1, 1)
    except RtcdpError as error:
        yield Finding("log", "broken", str(error), error.hint)
        return
    if not extents:
        count = settings.kafka.partitions
        yield Finding(
            "log",
            "ok",
            f"the topic of {without_password(settings.log_url)} is not there yet; the first to "
            f"write or to process makes it, with {count} partitions",
        )
        return
    records = sum(extent.next_offset - extent.first_offset for extent in extents)
    size = sum(extent.bytes for extent in extents)
    # Kafka's client can't ask how large a topic is.
    shown = f", {size / 2**20:,.1f} MiB" if size or not records else ""
    yield Finding("log", "ok", f"{records:,} records{shown}")
    newest = max(extent.newest_received_at for extent in extents)
    if newest > clock.now_ms() + _SKEW_MS:
        hint = "set the clock, or wait: new events get times before those of old ones"
        yield Finding("clock", "odd", "the newest record was received in the future", hint)


def schema_registry(settings: Settings) -> Iterator[Finding]:
    """Whether the registry of schemas answers, if messages are read by one."""
    registry = settings.kafka.schema_registry
    if settings.log_path is not None or not registry:
        return
    try:
        kinds = registry_kinds(settings.kafka)
    except RtcdpError as error:
        yield Finding("schema registry", "broken", str(error), error.hint)
        return
    shown = without_password(registry)
    yield Finding("schema registry", "ok", f"{shown} knows schemas of {', '.join(kinds)}")


def _store(settings: Settings, clock: Clock) -> Iterator[Finding]:
    if settings.store_path is not None:
        missing = list(_place_of("store", settings.store_path.parent, settings))
        if missing:
            yield from missing
            return
    try:
        with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
            progress = snapshot.progress
            totals = snapshot.ledger_totals()
            kept, history = snapshot.kept_time(), snapshot.admission_rules()
            deadline = time.monotonic() + SUMS_PATIENCE_S
            sums = check_sums(
                snapshot, _known_metrics(settings), lambda: time.monotonic() < deadline
            )
    except RtcdpError as error:
        yield Finding("store", "broken", str(error), error.hint)
        return
    if sums.is_ledger_sound:
        yield Finding("store", "ok", f"epoch {progress.epoch:,}, {totals['received']:,} records")
    else:
        yield Finding("store", "broken", "the ledger doesn't balance", "run rtcdp verify")
    if history:
        yield _rules(history, settings)
    if kept.is_suspended:
        yield Finding(
            "clock steps",
            "odd",
            f"it was set by {kept.step_ms / 1000:+,.0f} s; nothing is deleted meanwhile",
            "check the time service of the host that processes",
        )
    yield _sums(sums)
    yield from _shards(settings, progress, clock)
    yield from _pair(settings, progress)
    trouble = trouble_of_processor(settings)
    if trouble is not None:
        yield Finding("processor", "broken", trouble, "mend what it says; it goes on by itself")


def _shards(settings: Settings, progress: Progress, clock: Clock) -> Iterator[Finding]:
    """Whether each shard of a divided store has a processor, and something to count."""
    count, wanted = len(progress.shards), settings.processor.shards
    if not count:
        if wanted > 1:
            fact = f"processor.shards is {wanted}, and the store is not divided yet"
            yield Finding("shards", "odd", fact, "start a processor with these settings")
        return
    if idle := awaited(progress):
        fact = f"{', '.join(map(str, idle))} of {count} have no event yet, so nothing becomes final"
        hint = "wait 20 s: those without events hold nothing back then; let the others be counted"
        yield Finding("shards", "odd", fact, hint)
    orphans = without_processor(progress, clock.now_ms())
    if orphans:
        fact = f"no processor has {', '.join(map(str, orphans))} of {count}"
        yield Finding("shards", "broken", fact, "start one with the same settings: rtcdp process")
    elif wanted != count:
        fact = f"the store is in {count}, and processor.shards is {wanted} here"
        yield Finding("shards", "odd", fact, "give all processors the same setting")
    else:
        yield Finding("shards", "ok", f"all {count} have a processor")


def _rules(history: Sequence[RulesInForce], settings: Settings) -> Finding:
    """Whether what comes is decided as what came."""
    last = history[-1]
    since = f"in force since epoch {last.from_epoch:,}, changed {len(history) - 1} times"
    if last.rules == settings.admission:
        return Finding("admission", "ok", since)
    hint = "what was decided stays; they apply from where the processor starts"
    return Finding("admission", "odd", f"these settings are other rules than those {since}", hint)


def _known_metrics(settings: Settings) -> tuple[Metric, ...]:
    """None of a catalog with a mistake, which is told by itself."""
    try:
        return stored_metrics_of(settings)
    except RtcdpError:
        return ()


def _sums(sums: SelfCheck) -> Finding:
    """Whether the counts add up to what was counted, as far as there is time to look."""
    if sums.damaged:
        tables = ", ".join(sorted({each.table for each in sums.damaged}))
        hint = "run rtcdp verify to see which rows they are; look after the disk"
        return Finding("counts", "broken", f"they don't add up in {tables}", hint)
    rest = f"; left out: {'; '.join(sums.left_out)}" if sums.left_out else ""
    return Finding("counts", "ok", f"{sums.rows:,} rows add up{rest}")


def _pair(settings: Settings, progress: Progress) -> Iterator[Finding]:
    """Whether the log is the one that the store has counted."""
    try:
        with log_reader(settings) as log:
            check_continuation(log, progress)
    except OffsetsMissing as error:
        yield Finding("log and store", "broken", str(error), error.hint)
    except RtcdpError:
        return  # it was told with the log
    else:
        yield Finding("log and store", "ok", "they belong together")


def _catalog(settings: Settings) -> Iterator[Finding]:
    try:
        definitions = load_definitions(settings.catalog)
        folds = folds_of(settings)
    except RtcdpError as error:
        yield Finding("catalog", "broken", str(error), error.hint)
        return
    count = sum(isinstance(each, Metric) for each in definitions)
    yield Finding("catalog", "ok", f"{count} metrics, {len(folds)} folds")
    # A store that can't be asked was told of already.
    with suppress(RtcdpError), store_of(settings, read_only=True) as store:
        others = metrics_left_out(store, definitions)
        if others:
            text, _, hint = left_out_text(others).partition(" – ")
            yield Finding("catalog", "odd", text, hint)


def _kept_by_type(settings: Settings) -> Iterator[Finding]:
    """Whether events can be let go of after the days that are set for their types, if any are."""
    # A catalog that can't be read was told of already.
    with suppress(RtcdpError):
        folds = folds_of(settings)
        try:
            kept = kept_by_type_of(settings, folds)
        except UsageError as error:
            yield Finding("kept by type", "broken", str(error), error.hint)
            return
        if kept is not None:
            yield Finding("kept by type", "ok", settings.privacy.kept_days)


def _clock(clock: Clock) -> Iterator[Finding]:
    if clock.now_ms() < _RELEASE_MS:
        yield Finding("clock", "broken", "it stands before this program was written", "set it")
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    unknown = unknown_variables(environment)
    if unknown:
        hint = "docs/settings.md lists those that are"
        yield Finding("environment", "odd", f"no settings: {', '.join(unknown)}", hint)
