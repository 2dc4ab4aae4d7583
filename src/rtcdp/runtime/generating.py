"""The generator of an installation, and where its events go."""

import io
import logging
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from rtcdp.access.key_file import keys_path, read_keys
from rtcdp.clock import Clock
from rtcdp.errors import PartMissing
from rtcdp.runtime.settings import Settings
from rtcdp.sources.sender import (
    EVENTS_PATH,
    PRODUCTS_PATH,
    CollectorAddress,
    HttpSink,
    SenderLimits,
)
from rtcdp.sources.sinks import FileSink, Sink, StreamSink
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.live import Generator, GeneratorProgress, GeneratorReport, Schedule
from rtcdp.sources.synthetic.products import product_lines
from rtcdp.sources.synthetic.stream import EventStream

STANDARD_OUTPUT = Path("-")

START_PATIENCE_S = 60.0
"""How long the generator waits for a collector that is starting as well."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What to make up, besides the rate and the number of users, which are settings.

    It ends after `lines` or `duration_s` at the settings' rate, whichever comes first. `paced` is
    what it is in `Schedule`. Without a `seed` every run is another one.
    """

    lines: int | None = None
    duration_s: float | None = None
    paced: bool = True
    seed: int | None = None
    dials: Dials = Dials()

    def schedule(self, rate_per_s: float) -> Schedule:
        """When its lines are due. Raises `UsageError` for numbers that make no sense."""
        return Schedule(
            rate_per_s=rate_per_s, lines=self.lines, duration_s=self.duration_s, paced=self.paced
        )


@contextmanager
def collector_sink(
    address: CollectorAddress,
    clock: Clock,
    stop: threading.Event,
    patience_s: float = SenderLimits.first_patience_s,
    *,
    waits_for_ever: bool = False,
) -> Iterator[HttpSink]:
    """A sink to the collector at `address`; waits `patience_s` for its first answer, and for the
    later ones a minute, or for ever."""
    # It would tell of every request, wherever a program turns its log on.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    limits = replace(SenderLimits(), first_patience_s=patience_s)
    if waits_for_ever:
        limits = replace(limits, patience_s=math.inf)
    with closing(HttpSink(address, clock, stop.wait, limits)) as sink:
        yield sink


@contextmanager
def file_sink(path: Path) -> Iterator[Sink]:
    """A sink to a new file, compressed if its name ends in .gz; `STANDARD_OUTPUT` is no file.

    Raises `PartMissing` when it can't be written, and `BrokenPipeError` when nobody reads any more
    what goes to standard output.
    """
    is_file = path != STANDARD_OUTPUT
    try:
        with closing(FileSink(path) if is_file else StreamSink(_standard_output())) as sink:
            yield sink
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PartMissing(
            f"{path if is_file else 'standard output'} can't be written: {error.strerror}",
            "make room there, or name another place with --out",
        ) from error


def generate(
    settings: Settings,
    traffic: Traffic,
    sink: Sink,
    clock: Clock,
    stop: threading.Event,
    progress: GeneratorProgress | None = None,
) -> GeneratorReport:
    """Write made-up events to `sink` until they are all written or `stop` is set; returns what was
    done. Raises `UsageError` for numbers that make no sense, and what the sink raises."""
    now_ms = clock.now_ms()
    stream = EventStream(
        seed=now_ms if traffic.seed is None else traffic.seed,
        run_ms=now_ms,
        users=settings.users,
        dials=traffic.dials,
    )
    schedule = traffic.schedule(settings.rate)
    return Generator(stream, sink, schedule, clock).run(stop.wait, progress)


def run_generator(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Send the shop's products, and then events, to the installation's own collector until `stop`
    is set.

    Raises `CollectorUnreachable` and `CollectorRefused`.
    """
    address = collector_address(settings, path=PRODUCTS_PATH)
    with collector_sink(address, clock, stop, START_PATIENCE_S, waits_for_ever=True) as sink:
        sink.write(product_lines())
    address = collector_address(settings)
    with collector_sink(address, clock, stop, START_PATIENCE_S, waits_for_ever=True) as sink:
        generate(settings, Traffic(), sink, clock, stop)


def collector_address(
    settings: Settings,
    to: str | None = None,
    path: str = EVENTS_PATH,
    source: str | None = None,
    key: str | None = None,
    own_url: str | None = None,
) -> CollectorAddress:
    """The collector at `to`, which is shown `key`; without `to` the installation's own one, where
    the settings say or at `own_url`.

    To that is shown what its parts show to each other, if there are keys in the data folder. It is
    read for each request: the first key may be made meanwhile.
    """
    if to is not None:
        return CollectorAddress(base_url=to, path=path, source=source, api_key=key)
    keys = keys_path(settings.data_dir)
    return CollectorAddress(
        base_url=own_url or settings.base_url,
        path=path,
        source=source,
        api_key=lambda: read_keys(keys).own_token or key or "",
        certificate=settings.access.tls_certificate,
    )


def _standard_output() -> BinaryIO:
    """Buffered, even if Python was told not to (PYTHONUNBUFFERED): without a buffer, a signal that
    comes in the middle of a write cuts it short."""
    stream = sys.stdout.buffer
    if isinstance(stream, io.RawIOBase):
        return open(stream.fileno(), "wb", closefd=False)
    return stream
