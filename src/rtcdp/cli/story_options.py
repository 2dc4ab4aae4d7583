"""What the commands that look at answers share: which time is asked for, where it is read from, and
how what an answer refuses is told to somebody who typed a command."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from rtcdp.answers.folds import find_fold, kind_of
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import duration_ms, read_instant
from rtcdp.answers.question import check_zone
from rtcdp.cli.terminal import remark
from rtcdp.clock import SystemClock
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest, NotInCatalog, NotThere, UsageError
from rtcdp.runtime.parts import folds_of, require_store, store_of
from rtcdp.runtime.settings import Settings

WHICH = "Which"

_NAIVE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:]+(\.[0-9]+)?)?")
_OF_ADDRESSES = "; an offset's + is written %2B in an address"
_PARAMETER = re.compile(r"&?\b(since|from|to|tz|mode|brackets|state|outcome|cohort|cohort_start)=")
_ADDRESS = re.compile(r"/api/(funnel|retention|paths|sessions|joins)s?/?(\w*)")


def _option(flag: str, metavar: str, meaning: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=meaning, rich_help_panel=WHICH)


@dataclass(frozen=True)
class Time:
    """The options that say which time is asked for. Raises `UsageError` for what is none."""

    since: Annotated[
        str | None, _option("--since", "SPAN", "From this long ago on, like 30m, 24h or 7d.")
    ] = None
    start: Annotated[
        str | None,
        _option("--from", "TIME", "From this time on, like 2026-01-31 or 2026-01-31T09:30."),
    ] = None
    end: Annotated[str | None, _option("--to", "TIME", "Before this time.")] = None
    tz: Annotated[
        str,
        _option("--tz", "ZONE", "The time zone of days and times, like Europe/Berlin."),
    ] = "UTC"

    def __post_init__(self) -> None:
        with as_usage():
            check_zone(self.tz)
            _ = self.asked

    @property
    def asked(self) -> dict[str, Any]:
        """What a question takes of it."""
        return {
            "since": None if self.since is None else duration_ms("since", self.since),
            "start_from": None if self.start is None else self.instant("from", self.start),
            "start_to": None if self.end is None else self.instant("to", self.end),
        }

    def instant(self, name: str, text: str) -> int:
        """UTC milliseconds of the option `name`; what names no offset is a time of the zone.
        Raises `BadRequest`."""
        if _NAIVE.fullmatch(text) is None:
            return read_instant(name, text)
        try:
            local = datetime.fromisoformat(text).replace(tzinfo=self.zone)
            return read_instant(name, local.astimezone(UTC).isoformat())
        except (ValueError, OverflowError) as error:
            raise BadRequest(
                f"{name}={text!r} is not a time", "send one like 2026-01-31 or 2026-01-31T09:30"
            ) from error

    def local(self, iso: str | None, *, seconds: bool = False) -> str:
        """A time of an answer as people in the time zone write it; nothing for none."""
        if iso is None:
            return ""
        moment = datetime.fromisoformat(iso).astimezone(self.zone)
        return moment.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")

    @property
    def zone(self) -> ZoneInfo | Any:
        return UTC if self.tz == "UTC" else ZoneInfo(self.tz)


@contextmanager
def installation_of(settings: Settings) -> Iterator[Installation]:
    """What stories are read from. Raises `PartMissing` where nothing is there."""
    require_store(settings)
    folds = folds_of(settings)
    with store_of(settings, read_only=True) as store, as_usage(settings):
        yield Installation(
            store,
            (),
            SystemClock(),
            allowed_lateness_ms=settings.admission.allowed_lateness_ms,
            folds=folds,
        )


def chosen_fold(installation: Installation, kind: str, name: str | None) -> Fold:
    """The fold of a kind that is meant: who names none means the only one. Raises `NotThere`, and
    `UsageError` where there are several, or none."""
    if name is not None:
        return find_fold(installation.folds, name, kind)
    known = [fold for fold in installation.folds if kind_of(fold.step) == kind]
    if len(known) == 1:
        return known[0]
    raise UsageError(
        f"there are {len(known) or 'no'} folds of that kind ({kind})",
        f"name one of: {', '.join(fold.name for fold in known)}"
        if known
        else "add one to the catalog",
    )


@contextmanager
def as_usage(settings: Settings | None = None) -> Iterator[None]:
    """What a question is refused for is wrong usage here; `settings` tell where definitions are."""
    try:
        yield
    except (BadRequest, NotThere) as error:
        own = of_yours(settings) if settings and isinstance(error, NotInCatalog) else ""
        raise UsageError(_of_options(str(error)), _of_options(error.hint) + own) from error


def of_yours(settings: Settings) -> str:
    """The end of a hint for whoever asks for a definition that is not there, and may have forgotten
    where it is."""
    return "" if settings.catalog else "; one of your own comes with --catalog DIR"


def _of_options(text: str) -> str:
    """What is said to whoever asks an address, said to whoever types a command."""
    text = text.replace(_OF_ADDRESSES, "").replace("send ", "give ")
    text = _ADDRESS.sub(lambda found: f"rtcdp {found[1]} {found[2]}".rstrip(), text)
    text = _PARAMETER.sub(lambda found: f" --{found[1].replace('_', '-')} ", text)
    return " ".join(text.split())


def remark_on(page: Any) -> None:
    """Say what keeps an answer from being whole, beside the result."""
    remark_on_counting(page)
    if page.complete_from is not None:
        text = f"what is older than {page.complete_from[:16].replace('T', ' ')} UTC is not whole"
        remark(Text(text, "yellow"))


def remark_on_counting(page: Any) -> None:
    """Say, beside the result, whether events of it are still being counted."""
    if page.incomplete:
        remark(Text("not all events are in it yet: they are still being counted", "yellow"))


def percent(share: float | None) -> str:
    """A share as people write it: 12 %, 3.4 %; nothing for none."""
    if share is None:
        return ""
    hundredths = 100 * share
    return f"{hundredths:.1f} %" if 0 < hundredths < 9.95 else f"{hundredths:.0f} %"
