"""The independent check of an installation: everything that it says, against the judge.

Reads the log from its beginning, one record at a time, so it is for operators with patience, for
the conformance suite and for tests of faults. May run while others append and process.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Fold, Metric
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader
from rtcdp.store import Store
from rtcdp.verify.agreement import Disagreement, Horizon, disagreements
from rtcdp.verify.interleaving import decided_elsewhere, in_decision_order
from rtcdp.verify.judge import ERASED, Judge, Place, PlainRecord, Rules, Verdict
from rtcdp.verify.plain import is_fold_judged, plain_metric, plain_records
from rtcdp.verify.stored import Kept, Stored, read_stored, recorded_verdict, view_rows
from rtcdp.verify.story_agreement import (
    StoriesTold,
    all_story_disagreements,
    read_told,
    with_what_is_gone,
)

PROCESSOR_ERROR = "processor_error"
_NOT_JUDGED = "what it takes from events, the independent judge does not know"
_SLICE_BYTES = 4 * 2**20
_MINUTE_MS = 60_000
_LONG_AGO = -(2**62)

ProgressHandler = Callable[[int, int], None]
"""Takes the number of records read and of all to be read."""


@dataclass(frozen=True)
class Findings:
    """What came out. `set_aside` are records that the engine failed at and that would count;
    `left_out` says what could not be compared, `rows` and `records` how much was."""

    disagreements: tuple[Disagreement, ...]
    set_aside: tuple[Place, ...]
    left_out: tuple[str, ...]
    rows: int
    records: int


def verify_independently(
    log: LogReader,
    store: Store,
    catalog: Sequence[Metric | Fold],
    rules: AdmissionRules,
    kept: Kept,
    on_progress: ProgressHandler = lambda _read, _total: None,
) -> Findings:
    """Compare verdicts and reasons, conflicts, ledger minutes, spans, the watermark, the API's
    answers about metrics and the rows of folds and, where the store has them, the views that SQL
    readers have of metrics, with what the judge says.

    `rules` serve where the store has none on record. Where retention has deleted records from the
    log or rows from the store, what it may have touched is left out.
    """
    ready, left_out = _ready(store, catalog)
    complete = [each for each in ready if isinstance(each, Metric)]
    folds = [each for each in ready if isinstance(each, Fold)]
    stored, stories, gone_before = _read(store, complete, folds, rules)
    if complete and not stored.views:
        left_out.append("views of SQL readers: this store has none")
    starts = {p: log.extent(p).first_offset for p in stored.next_offsets}
    lines = _partitions(log, starts, stored.next_offsets, on_progress)
    history = _history(stored, rules)
    plain = [plain_metric(metric) for metric in complete]
    judge = _judge(plain, history, stored, (lines, starts), keeps_events=bool(folds))
    horizon = _horizon(stored, lines, starts, history, kept)
    aged = aged_of(log)
    if aged.whole_from is not None and aged.stories_from is not None:
        left_out.append("what events may have touched that are kept for no longer")
        horizon = replace(
            horizon, windows_from=max(horizon.windows_from or _LONG_AGO, aged.whole_from)
        )
        gone_before = max(gone_before or _LONG_AGO, aged.stories_from)
    if horizon.minutes_from is not None and any(starts.values()):
        left_out.append("what records before the log's beginning may have touched")
        gone_before = max(gone_before or _LONG_AGO, horizon.windows_from or _LONG_AGO)
    wrong = list(disagreements(judge, stored, plain, horizon))
    told, lost = with_what_is_gone(stories, folds, gone_before)
    of_stories, untold = all_story_disagreements(judge, folds, told, lost)
    left_out += untold
    rows = [*stored.answers.values(), *stored.views.values(), *stories.rows.values()]
    return Findings(
        (*wrong, *of_stories),
        tuple(judge.set_aside),
        tuple(left_out),
        sum(map(len, rows)),
        sum(map(len, lines.values())),
    )


def _ready(store: Store, catalog: Sequence[Metric | Fold]) -> tuple[list[Metric | Fold], list[str]]:
    """What can be judged, and why the rest can't."""
    known = {*store.metrics(), *store.row_tables()}
    ready: list[Metric | Fold] = []
    left_out: list[str] = []
    stored: list[Metric | Fold] = []
    stored += stored_metrics(each for each in catalog if isinstance(each, Metric))
    stored += [each for each in catalog if isinstance(each, Fold)]
    for each in stored:
        kind = "metric" if isinstance(each, Metric) else "fold"
        is_known = isinstance(each, Metric) or is_fold_judged(each)
        if each.name not in known or store.backfill_offsets(each.name) is not None:
            left_out.append(f"{kind} {each.name}: it is still being filled")
        elif not is_known:
            left_out.append(f"{kind} {each.name}: {_NOT_JUDGED}")
        else:
            ready.append(each)
    return ready, left_out


def _read(
    store: Store, metrics: Sequence[Metric], folds: Sequence[Fold], rules: AdmissionRules
) -> tuple[Stored, StoriesTold, int | None]:
    """What one state of the store says; and before which time (UTC ms) it has deleted rows."""
    with store.snapshot() as snapshot:
        stored = read_stored(snapshot, metrics)
        in_force = stored.rules[-1].allowed_lateness_ms if stored.rules else None
        lateness_ms = rules.allowed_lateness_ms if in_force is None else in_force
        told, gone_before = read_told(snapshot, folds, lateness_ms), snapshot.floors.buckets_from
        readable = getattr(snapshot, "readable", None)
        if readable is not None:
            stored = replace(stored, views={m.name: view_rows(m, readable(m)) for m in metrics})
    return stored, told, gone_before


def _partitions(
    log: LogReader,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    on_progress: ProgressHandler,
) -> dict[int, list[PlainRecord]]:
    total, read = sum(ends[p] - starts[p] for p in ends), 0
    found: defaultdict[int, list[PlainRecord]] = defaultdict(list)
    for partition, end in ends.items():
        offset = starts[partition]
        while offset < end:
            records = log.read(partition, offset, _SLICE_BYTES).until(end)
            if len(records) == 0:
                break
            found[partition] += plain_records(records.each())
            offset = records.next_offset
            read += len(records)
            on_progress(read, total)
    return dict(found)


def _history(stored: Stored, rules: AdmissionRules) -> list[Rules]:
    """The rules in force, from each partition's first record on."""
    if not stored.rules:
        return [Rules(rules.max_clock_skew_ms, rules.allowed_lateness_ms, rules.dedup_window_ms)]
    return [stored.rules[0]._replace(from_offsets={}), *stored.rules[1:]]


def _judge(
    metrics: Sequence[Mapping[str, Any]],
    history: Sequence[Rules],
    stored: Stored,
    records_from: tuple[Mapping[int, Sequence[PlainRecord]], Mapping[int, int]],
    *,
    keeps_events: bool,
) -> Judge:
    """Judges the records of each partition, from an offset on; twice where the first time shows
    verdicts that no one could foretell."""
    lines, starts = records_from
    records = {(r.partition, r.offset): r for line in lines.values() for r in line}
    given = {
        place: verdict
        for place, verdict in stored.verdicts.items()
        if verdict.reason == PROCESSOR_ERROR
        or verdict.verdict == ERASED
        or (place in records and records[place].is_aged)
    }
    judge = Judge(metrics, history, given, keeps_events=keeps_events).feed(
        in_decision_order(lines.values())
    )

    def window_ms(place: Place) -> int:
        return [r for r in history if place[1] >= r.from_offsets.get(place[0], 0)][-1][2]

    recorded = partial(recorded_verdict, stored, judge.verdicts)
    unforeseen = decided_elsewhere(judge, records, recorded, window_ms)
    if any(starts.values()):
        unforeseen |= _repeats_of_what_is_gone(judge, records, stored.verdicts, window_ms)
    unforeseen |= _repeats_of_what_was_erased(judge, records, recorded, window_ms)
    if not unforeseen:
        return judge
    judge = Judge(metrics, history, given | unforeseen, keeps_events=keeps_events)
    return judge.feed(in_decision_order(lines.values()))


def _repeats_of_what_is_gone(
    judge: Judge,
    records: Mapping[Place, PlainRecord],
    recorded: Mapping[Place, Verdict],
    window_ms: Callable[[Place], int],
) -> dict[Place, Verdict]:
    """The recorded duplicates among those that come first of their id in a log whose beginning was
    deleted, and soon after that."""
    of_id = Counter[object]()
    begins = min((record.received_at for record in records.values()), default=0)
    found = {}
    for place, verdict in judge.verdicts.items():
        name = judge.ids.get(place)
        of_id[name] += 1
        is_first = name is not None and of_id[name] == 1 and verdict.verdict == "admitted"
        is_soon = records[place].received_at - begins <= window_ms(place)
        if is_first and is_soon and recorded.get(place, verdict).verdict == "duplicate":
            found[place] = recorded[place]
    return found


def _repeats_of_what_was_erased(
    judge: Judge,
    records: Mapping[Place, PlainRecord],
    recorded: Callable[[Place], Verdict],
    window_ms: Callable[[Place], int],
) -> dict[Place, Verdict]:
    """The recorded duplicates that may repeat a record which was erased since, for nobody can tell
    its id any more: of the same source, and taken in within the window of one."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    for place, verdict in judge.verdicts.items():
        if verdict.verdict == ERASED or records[place].is_aged:
            insort(times[records[place].source], records[place].received_at)
    found = {}
    for place in judge.ids if times else ():
        record, told = records[place], recorded(place)
        if told.verdict != "duplicate" or told == judge.verdicts[place]:
            continue
        erased, window = times[record.source], window_ms(place)
        at = bisect_left(erased, record.received_at - window)
        if at < len(erased) and erased[at] <= record.received_at + window:
            found[place] = told
    return found


def _horizon(
    stored: Stored,
    lines: Mapping[int, Sequence[PlainRecord]],
    starts: Mapping[int, int],
    history: Sequence[Rules],
    kept: Kept,
) -> Horizon:
    """What neither the log's retention nor the store's can have touched."""
    starts_of_windows = [key[0] for rows in stored.answers.values() for key in rows]
    minutes = [minute for _, minute in stored.ledger if minute > 0]
    windows_from = min([kept.now_ms - kept.windows_ms, *starts_of_windows])
    minutes_from = min([kept.now_ms - kept.ledger_ms, *minutes])
    skew_ms = max(rules.max_clock_skew_ms for rules in history)
    for partition, start in starts.items():
        if start > 0:
            line = lines.get(partition, ())
            first = line[0].received_at if line else stored.newest.get(partition, 0)
            windows_from = max(windows_from, first + skew_ms + 1)
            minutes_from = max(minutes_from, -(-(first + 1) // _MINUTE_MS) * _MINUTE_MS)
    decided = {p: max(at, stored.decided_from.get(p, 0)) for p, at in starts.items()}
    return Horizon(windows_from, minutes_from, decided)


def summary(findings: Findings) -> Iterator[str]:
    """How many disagreements there are of each kind."""
    for about, count in Counter(each.about for each in findings.disagreements).most_common():
        yield f"{about} {count:,}"
