"""The pipeline: what became of all that came in, how far behind it is, and which parts are well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from markupsafe import Markup

from rtcdp.answers.drill_down import ADMITTED
from rtcdp.answers.folds import folds_page
from rtcdp.answers.ledger import LedgerTotals
from rtcdp.answers.ledger_sums import LedgerSums, LedgerSumsQuestion, ledger_sums
from rtcdp.answers.metrics import catalog_page
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.answers.shards import ShardShown, shards_of
from rtcdp.answers.uncounted import (
    DeadLettersQuestion,
    DuplicatesQuestion,
    LateEventsQuestion,
    UncountedPage,
    UncountedQuestion,
    UncountedRecord,
    uncounted_page,
)
from rtcdp.api.health import parts_of
from rtcdp.api.pulse import PulseFigures
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS, MINUTE_MS
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.drawing.columns import ColumnOfTime, columns
from rtcdp.dashboard.drawing.flow import FlowLink, FlowNode, flow_or_lists
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    EVENTS,
    InTime,
    Tab,
    api_address,
    from_to,
    in_time,
    instant_of,
    user_href,
)
from rtcdp.errors import BadRequest, did_you_mean
from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.words import compact, count, plural

PATH = "/pipeline"
_REASONS: tuple[str, ...] = get_args(DeadLetterReason)
_LISTED = 25
_SOURCES_MAX = 6
_STRETCHES_MAX = 400
_OTHERS = "other sources"

Records = Literal["dead_letters", "late", "duplicates"]
_RECORDS: Mapping[Records, tuple[str, str]] = {
    "dead_letters": ("Dead letters", "/api/dead-letters"),
    "late": ("Late events", "/api/late-events"),
    "duplicates": ("Duplicates", "/api/duplicates"),
}
_VERDICT_OF: Mapping[str, str] = {
    "dead_letters": "dead_letter",
    "late": "late",
    "duplicates": "duplicate",
}
_EVER: Mapping[str, str | None] = {"from": "1970-01-01", "to": None, "last": None}
_DOES: Mapping[str, str] = {
    "collector": "takes events in",
    "log": "keeps them as they came",
    "processor": "decides and counts",
    "store": "keeps the answers",
    "API": "gives the answers",
}
_OTHERS_DO: Mapping[str, str] = {
    "disk": "has room for more",
    "lag": "how far answers are behind",
}
_VERDICTS = (
    ("admitted", "Admitted"),
    ("duplicate", "Duplicate"),
    ("late", "Late"),
    ("dead_letter", "Dead letters"),
    ("erased", "Erased"),
)


class PipelinePageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which records that were not counted are listed."""

    records: Annotated[
        Records, msgspec.Meta(description="those that can't be admitted, came late, or again")
    ] = "dead_letters"
    reason: Annotated[str | None, msgspec.Meta(description="dead letters with this reason")] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class RecordShown:
    """A record that was not counted; a dead letter that can be fed in again says where, and by
    which command."""

    record: UncountedRecord
    received_at: int | None
    event_time: int | None
    mend: str | None
    mend_url: str | None
    user_href: str | None


@dataclass(frozen=True)
class Filling:
    """A metric or a fold that is being computed from the log, and how far that is."""

    name: str
    percent: int


@dataclass(frozen=True)
class PartShown:
    """A part of the installation, what it does and how much of it, and what is wrong with it, if
    anything is. One that runs elsewhere is only known by what it does."""

    name: str
    does: str
    amount: str
    state: str
    is_well: bool | None


@dataclass(frozen=True)
class TotalShown:
    """A part of the ledger's sum over all time, and the list of those in it, if there is one."""

    words: str
    count: int
    href: str | None


@dataclass(frozen=True)
class PipelineShown:
    """The ledger, the state of the parts, and records that were not counted."""

    sums: LedgerSums
    is_balanced: bool
    totals: Sequence[TotalShown]
    pulse: PulseFigures
    lag_over_ms: float
    counted_from: int | None
    flow: Markup
    throughput: Markup
    watermark: int | None
    committed_at: int | None
    parts: Sequence[PartShown]
    shards: Sequence[ShardShown]
    held_back_by: str
    filling: Sequence[Filling]
    tabs: tuple[Tab, ...]
    reasons: Sequence[str]
    records: UncountedPage
    record_items: Sequence[RecordShown]
    api: str
    records_api: str


def shown(asked: PageAsked[PipelinePageQuestion]) -> PipelineShown:
    """The pipeline, and the records that are asked for. Raises `BadRequest` and
    `StoreUnavailable`."""
    question, time = asked.question, whole_minutes(in_time(asked))
    title, api = _RECORDS[question.records]
    reasons = _REASONS if question.records == "dead_letters" else ()
    with one_state(asked.installation) as still:
        sums = ledger_sums(still, LedgerSumsQuestion(**time))
        records = uncounted_page(still, _uncounted(asked, time))
    totals, shards = sums.totals, shards_of(asked.installation)
    reason = question.reason if reasons else None
    pulse = asked.context.pulse.figures(asked.context.installation.clock.monotonic())
    return PipelineShown(
        sums=sums,
        is_balanced=totals.received == sum(getattr(totals, name) for name, _ in _VERDICTS),
        totals=[
            TotalShown(words, getattr(totals, name), _href_of(asked.address, name, _EVER))
            for name, words in _VERDICTS
            if name != "erased" or totals.erased
        ],
        pulse=pulse,
        lag_over_ms=pulse.lag_over_s * 1000,
        counted_from=instant_of(sums.counted_from),
        flow=flow_of(sums, asked.address),
        throughput=columns(_throughput(asked, sums)),
        watermark=instant_of(sums.watermark),
        committed_at=instant_of(sums.committed_at),
        parts=parts_shown(parts_of(asked.context), pulse),
        shards=shards,
        held_back_by=held_back_by(shards),
        filling=_filling(asked),
        tabs=tuple(
            Tab(
                f"{words} {count(_in_time(sums, _VERDICT_OF[name]))}",
                asked.address.but(records=name, reason=None, cursor=None),
                words == title,
            )
            for name, (words, _) in _RECORDS.items()
        ),
        reasons=reasons,
        records=records,
        record_items=[_record(asked, each) for each in records.items],
        api=api_address("/api/ledger", {"from": from_to(time)["from"]}),
        records_api=api_address(api, {"reason": reason, **from_to(time)}),
    )


def held_back_by(shards: Sequence[ShardShown]) -> str:
    """The shards that nothing becomes final without, in words; empty where there are none."""
    names = [str(each.shard) for each in shards if each.is_awaited]
    if not names:
        return ""
    if len(names) == 1:
        return f"held back by shard {names[0]}, which has no event yet"
    return f"held back by shards {', '.join(names)}, which have no event yet"


def whole_minutes(time: InTime) -> InTime:
    """A time of intake with the whole of its first and last minutes, as the ledger counts: so a
    number and its list are of the same records."""
    start, end = time["start_from"], time["start_to"]
    return InTime(
        start_from=None if start is None else start // MINUTE_MS * MINUTE_MS,
        start_to=None if end is None else -(-end // MINUTE_MS) * MINUTE_MS,
    )


def _in_time(sums: LedgerSums, verdict: str) -> int:
    return sum(getattr(each, verdict) for each in sums.sources)


def _uncounted(asked: PageAsked[PipelinePageQuestion], time: InTime) -> UncountedQuestion:
    question = asked.question
    common: dict[str, Any] = {**time, "limit": _LISTED, "cursor": question.cursor}
    match question.records:
        case "late":
            return LateEventsQuestion(**common)
        case "duplicates":
            return DuplicatesQuestion(**common)
    if question.reason is None:
        return DeadLettersQuestion(**common)
    if question.reason not in _REASONS:
        raise BadRequest(
            f"reason={question.reason[:100]!r} is not known",
            f"{did_you_mean(question.reason, _REASONS)}choose one of the list",
        )
    return DeadLettersQuestion(reason=(cast("Any", question.reason),), **common)


def flow_of(sums: LedgerSums, address: PageAddress) -> Markup:
    """Whence records came, and what became of them, in the time that is looked at."""
    shown_sources = sums.sources[:_SOURCES_MAX]
    rest = sums.sources[_SOURCES_MAX:]
    amounts: list[tuple[str, LedgerTotals]] = [(each.source, each) for each in shown_sources]
    if rest:
        together = {name: sum(getattr(each, name) for each in rest) for name in _names()}
        amounts.append((_OTHERS, LedgerTotals(**together)))
    present = [
        (name, words)
        for name, words in _VERDICTS
        if any(getattr(totals, name) for _, totals in amounts)
    ]
    columns = [
        [FlowNode(source, totals.received) for source, totals in amounts],
        [
            FlowNode(
                words,
                sum(getattr(totals, name) for _, totals in amounts),
                name,
                # Events are listed by when they happened, which is another time than this one.
                None if name == ADMITTED else _href_of(address, name),
            )
            for name, words in present
        ],
    ]
    links = [
        FlowLink(0, source, target, getattr(totals, name))
        for source, (_, totals) in enumerate(amounts)
        for target, (name, _) in enumerate(present)
        if getattr(totals, name)
    ]
    return flow_or_lists(columns, links, "Flow of records", ("Sources", "What became of it"))


def _names() -> tuple[str, ...]:
    return tuple(LedgerTotals.__struct_fields__)


def _href_of(
    address: PageAddress, verdict: str, time: Mapping[str, str | None] | None = None
) -> str | None:
    """The list of those with a verdict, in the time that is looked at or in another one; None for
    the erased ones, of which nothing is left to list."""
    if verdict == "erased":
        return None
    records = next((name for name, each in _VERDICT_OF.items() if each == verdict), None)
    if records is None:
        return address.elsewhere(EVENTS, **{"verdict": verdict, **(time or {})})
    changes: dict[str, str | int | None] = {
        "records": records,
        "reason": None,
        "cursor": None,
        **(time or {}),
    }
    return f"{address.but(changes)}#records"


def _throughput(asked: PageAsked[Any], sums: LedgerSums) -> list[ColumnOfTime]:
    """How many came in over the time that is asked for, or the last years of it; where none did, it
    is zero."""
    came = {instant_of(each.start): each.received for each in sums.stretches}
    if not came:
        return []
    zone, period, step = asked.zone, asked.period, sums.stretch_ms
    starts = range(period.start // step * step, period.end, step)
    is_long = period.length >= DAY_MS
    return [
        ColumnOfTime(
            f"{zone.day(start)}, {zone.minute(start)}" if is_long else zone.minute(start),
            float(came.get(start, 0)),
        )
        for start in starts[-_STRETCHES_MAX:]
    ]


def parts_shown(states: Mapping[str, str], pulse: PulseFigures) -> list[PartShown]:
    """The parts in the order in which events come through them, and then what else is looked at."""
    amounts = {
        "collector": _each_second(pulse.taken_in_per_s, "event"),
        "log": "" if pulse.waiting is None else f"{plural(pulse.waiting, 'record')} waiting",
        "processor": _each_second(pulse.counted_per_s, "event"),
        "store": _each_second(pulse.commits_per_s, "commit"),
    }
    known = {**states, "API": "ok"}
    others = {name: _OTHERS_DO.get(name, "") for name in known if name not in _DOES}
    return [
        PartShown(
            name=name,
            does=does,
            amount=amounts.get(name, ""),
            state=known.get(name, "runs elsewhere"),
            is_well=known[name] == "ok" if name in known else None,
        )
        for name, does in {**_DOES, **others}.items()
    ]


def _each_second(rate: float | None, what: str) -> str:
    if rate is None:
        return ""
    return f"{compact(rate)} {what if rate == 1 else what + 's'}/s"


def _filling(asked: PageAsked[Any]) -> list[Filling]:
    """What is being computed from the log."""
    installation = asked.installation
    metrics = [(each.name, each.filled_percent) for each in catalog_page(installation).items]
    folds = [(each.name, each.filled_percent) for each in folds_page(installation).items]
    return [Filling(name, done) for name, done in (*metrics, *folds) if done is not None]


def _record(asked: PageAsked[Any], record: UncountedRecord) -> RecordShown:
    is_letter = record.verdict == "dead_letter" and record.replayed_at is None
    place = f"{record.partition}/{record.offset}"
    user = record.userId
    return RecordShown(
        record=record,
        received_at=instant_of(record.received_at),
        event_time=instant_of(record.event_time),
        mend=f"rtcdp dead-letters replay --reason {record.reason}" if is_letter else None,
        mend_url=f"/api/dead-letters/{place}/replay" if is_letter else None,
        user_href=user_href(asked, "userId", user) if user else None,
    )


PAGE = DashboardPage(
    title="Pipeline",
    paths=(PATH,),
    template="pipeline.html",
    shown=shown,
    asked=Asked(PipelinePageQuestion),
    default_period_ms=DAY_MS,
)
"""What stands at `/pipeline`."""
