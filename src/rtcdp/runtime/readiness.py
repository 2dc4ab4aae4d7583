"""What `/health/ready` asks of the parts of this process beside log and store."""

import os
from collections.abc import Callable
from pathlib import Path

from rtcdp.api.context import Check
from rtcdp.intake.collector import Collector
from rtcdp.runtime.guarded_log import GuardedLogWriter
from rtcdp.runtime.locks import holder_of, processor_lock_path
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.troubles import trouble_of_processor

MIN_FREE_BYTES = 8 * 2**20
"""With less the next commits fail. Half the log's WAL, before it is written back."""

_SPARK_BATCHES = 10


def checks_of(
    settings: Settings, collector: Collector | None, writer: GuardedLogWriter | None
) -> dict[str, Check]:
    """The checks of this process, and of the processor beside it."""
    checks: dict[str, Check] = {"processor": lambda: trouble_of_processor(settings)}
    if collector is None or writer is None:
        return checks

    def intake() -> str | None:
        return collector.trouble if writer.trouble is None else str(writer.trouble)

    checks["collector"] = intake
    directory = settings.log_path
    if directory is not None:
        checks["disk"] = lambda: lack_of_room(directory)
    return checks


def lack_of_room(directory: Path, min_free_bytes: int = MIN_FREE_BYTES) -> str | None:
    """Says so when the disk under `directory` has less room than `min_free_bytes`."""
    try:
        status = os.statvfs(directory)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    free = status.f_bavail * status.f_frsize
    if free >= min_free_bytes:
        return None
    return f"the disk under {directory} is full: {free} bytes are free"


def commit_ms(settings: Settings) -> int:
    """What the engine may take for one commit: Spark, which commits a batch at a time, the time of
    ten batches."""
    return (
        int(_SPARK_BATCHES * settings.spark.trigger_s * 1000) if settings.engine == "spark" else 0
    )


def is_processing(settings: Settings) -> Callable[[], bool] | None:
    """Tells whether a processor works on the store; None where nobody knows at once (a server's
    lease outlives its holder)."""
    path = processor_lock_path(settings)
    return None if path is None else lambda: holder_of(path) is not None
