"""What every process of an installation tells operators of itself: what it takes of the machine,
how often it was started again, and what its files and their disks are like."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Scraped

from rtcdp import __version__
from rtcdp.runtime.processes.supervisor import RESTARTS_VARIABLE
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.telemetry.thread_times import ThreadTimes

_WAL = "-wal"


def process_registry(
    settings: Settings, part: str, environment: Mapping[str, str] = os.environ
) -> CollectorRegistry:
    """A registry that tells of this process, which is that part of the installation."""
    # Of every series one more, for when it began: nothing that anybody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry)
    places = {"log": settings.log_path, "store": settings.store_path}
    registry.register(
        _OfPart(
            part,
            int(environment.get(RESTARTS_VARIABLE, "0")),
            {name: path for name, path in places.items() if path is not None},
        )
    )
    return registry


class _OfPart(Scraped):
    def __init__(self, part: str, restarts: int, places: Mapping[str, Path]) -> None:
        self._part = part
        self._restarts = restarts
        self._places = places
        self._threads = ThreadTimes()

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "rtcdp_build_info", "Which version this part is; always 1.", labels=["part", "version"]
        )
        build.add_metric([self._part, __version__], 1)
        yield build
        restarts = CounterMetricFamily(
            "rtcdp_part_restarts",
            "How often rtcdp up has started this part again.",
            labels=["part"],
        )
        restarts.add_metric([self._part], self._restarts)
        yield restarts
        threads = CounterMetricFamily(
            "rtcdp_thread_cpu_seconds",
            "Processor time by the name of threads; those of libraries are among the other ones.",
            labels=["part", "thread"],
        )
        for name, taken_s in self._threads.seconds().items():
            threads.add_metric([self._part, name], taken_s)
        yield threads
        yield from self._of_files()

    def _of_files(self) -> Iterator[Metric]:
        size = GaugeMetricFamily(
            "rtcdp_files_bytes", "The files of an embedded log or store.", labels=["place"]
        )
        wal = GaugeMetricFamily(
            "rtcdp_wal_bytes",
            "The size of the write-ahead log; above 64 MiB something keeps it from being written"
            " back.",
            labels=["place"],
        )
        free = GaugeMetricFamily(
            "rtcdp_disk_free_bytes",
            "What is free for this process on the disk under them.",
            labels=["place"],
        )
        for place, path in self._places.items():
            sizes = _sizes(path)
            size.add_metric([place], sum(sizes.values()))
            beside = sum(size for name, size in sizes.items() if name.endswith(_WAL))
            wal.add_metric([place], beside)
            if (room := _free_bytes(path)) is not None:
                free.add_metric([place], room)
        yield from (size, wal, free)


def _sizes(path: Path) -> dict[str, int]:
    """The files of a place: those in a folder, or a file and what its database keeps beside it."""
    folder, start = (path, "") if path.is_dir() else (path.parent, path.name)
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name: entry.stat().st_size
                for entry in entries
                if entry.name.startswith(start) and entry.is_file()
            }
    except OSError:
        return {}


def _free_bytes(path: Path) -> int | None:
    try:
        status = os.statvfs(path if path.exists() else path.parent)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
