"""What a process tells of itself while it runs: entries with a time, a level and a part.

Modules write to `logging.getLogger(__name__)` as usual. `tell_entries` turns what they write into
entries for whoever shows them, and folds what is repeated.
"""

import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from rtcdp.clock import Clock
from rtcdp.errors import RtcdpError, UsageError
from rtcdp.plain_text import as_json_text, as_text

REPEAT_S = 60.0
"""A message that comes again is told once in that time, with how often it came."""

LATENCY_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Where times are told apart, wherever they are measured."""

SIZE_BUCKETS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Where numbers of things that are done together are told apart."""

PARTITIONS_MAX = 1_000
"""Of so many partitions each is told; of further ones none."""

TRACES_MAX = 32
"""Of so many traces of a batch, an append or an epoch is told; those of further ones end there."""


@dataclass(frozen=True)
class TelemetryRules:
    """Where operators look. A processor shows its telemetry on `port` (0: nowhere); the HTTP server
    has it at its own. Traces are sent `traces_to` an OTLP/HTTP address (none: there are none), of
    `trace_share` of the requests that nobody else has begun a trace of. Raises `UsageError` for
    what is no address."""

    port: int = 0
    traces_to: str = ""
    trace_share: float = 0.01

    def __post_init__(self) -> None:
        if self.traces_to and not _is_http(self.traces_to):
            # Before the last @ there may be a password.
            _, at, shown = self.traces_to.rpartition("@")
            raise UsageError(
                f"telemetry.traces_to is {('…' if at else '') + at + shown!r}, no address of http",
                "write for example http://127.0.0.1:4318",
            )


MEANINGS: dict[str, str] = {
    "telemetry.port": "Where a processor shows /metrics; 0: nowhere. The server has its own.",
    "telemetry.traces_to": "Where traces are sent by OTLP/HTTP, like http://127.0.0.1:4318.",
    "telemetry.trace_share": "Of which share of the requests there are traces, 1 at most.",
}
"""What each of them means, as settings."""

FROM_ZERO = frozenset({"telemetry.port", "telemetry.trace_share"})
"""Those that may be 0."""

CURRENT_TRACE: ContextVar[str] = ContextVar("CURRENT_TRACE", default="")
"""What continues the trace of what is done now, as `traceparent` says it (W3C Trace Context); empty
where it is not traced."""

_KEYS_MAX = 1_000
_CAUSES_MAX = 8
_DIGITS = re.compile(r"\d+")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. `time` is ISO-8601 UTC with milliseconds; `level` is a name of
    Python's levels, like WARNING; `exception` is a traceback, and `trace` the id of the trace that
    it happened in."""

    time: str
    level: str
    part: str
    message: str
    exception: str = ""
    trace: str = ""

    def as_text(self) -> str:
        """`2026-01-31T09:30:00.250Z WARNING processor: …`; a traceback follows, indented."""
        lines = [f"{self.time} {self.level} {self.part}: {as_text(self.message)}"]
        lines += [f"  {as_text(line)}" for line in self.exception.splitlines()]
        return "\n".join(lines)

    def as_json(self) -> str:
        """One line of JSON."""
        return as_json_text(msgspec.json.encode(self).decode())


EntryHandler = Callable[[Entry], None]
"""Takes what was told, from any thread."""


def entry_in(line: str | bytes) -> Entry | None:
    """The entry in a line of JSON that `Entry.as_json` gave; None for any other line."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def entry_now(clock: Clock, level: str, part: str, message: str) -> Entry:
    """An entry of this moment."""
    return Entry(time=_iso(clock.now_ms() / 1000), level=level, part=part, message=message)


def tell_entries(tell: EntryHandler, part: str, clock: Clock) -> None:
    """From now on, pass what this process logs to `tell`: all of ours from INFO on, and of others
    from WARNING on. What was told to before hears nothing any more."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Teller)]:
        root.removeHandler(handler)
    root.addHandler(_Teller(tell, part, clock))
    root.setLevel(logging.WARNING)
    logging.getLogger("rtcdp").setLevel(logging.INFO)


class Troubles:
    """Troubles that pass by themselves: each is told, and so is their end."""

    def __init__(self, log: logging.Logger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._began_s: float | None = None
        self._tries = 0

    def tell(self, sentence: str) -> None:
        """It did not work, and will be tried again."""
        if self._began_s is None:
            self._began_s = self._clock.monotonic()
        self._tries += 1
        self._log.warning("%s", sentence)

    def over(self) -> None:
        """It works. Says so if it did not before."""
        if self._began_s is None:
            return
        elapsed_s = self._clock.monotonic() - self._began_s
        times = "once" if self._tries == 1 else f"{self._tries:,} times"
        self._log.info("back again, after %.1f s; it had failed %s", elapsed_s, times)
        self._began_s, self._tries = None, 0


class _Teller(logging.Handler):
    """Makes entries of log records, and folds those that say the same but for their numbers."""

    def __init__(self, tell: EntryHandler, part: str, clock: Clock) -> None:
        super().__init__()
        self._tell = tell
        self._part = part
        self._clock = clock
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        key = (record.name, record.levelno, _DIGITS.sub("#", message))
        now = self._clock.monotonic()
        if record.levelno >= logging.WARNING:
            told_s, held_back = self._told.get(key, (None, 0))
            if told_s is not None and now - told_s < REPEAT_S:
                self._told[key] = (told_s, held_back + 1)
                return
            if told_s is not None and held_back:
                message += f" ({held_back + 1:,} times in {now - told_s:,.0f} s)"
            if len(self._told) >= _KEYS_MAX:
                self._told.clear()
            self._told[key] = (now, 0)
        else:
            # What ends a trouble lets the next one be told at once.
            self._told.clear()
        self._tell(
            Entry(
                time=_iso(record.created),
                level=record.levelname,
                part=self._part,
                message=message,
                trace=CURRENT_TRACE.get()[3:35],
                exception="\n".join(_traceback(record.exc_info[1] if record.exc_info else None)),
            )
        )


def _traceback(error: BaseException | None, depth: int = 0) -> Iterator[str]:
    """Where an error came from, after what caused it. What it says itself stands there where it is
    ours or the system's alone: another library's may be made of what an event holds."""
    if error is None or depth > _CAUSES_MAX:
        return
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traceback(cause, depth + 1)
        yield "and then:"
    yield "Traceback (most recent call last):"
    for frame in traceback.format_tb(error.__traceback__):
        yield from frame.splitlines()
    kind = type(error)
    said = f": {error}" if isinstance(error, RtcdpError | OSError) else ""
    yield f"{kind.__module__}.{kind.__qualname__}{said}"


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
