"""The bugs that the judge has to catch, one by one: of each kind that was found, and others."""

from dataclasses import dataclass

from rtcdp.testing.random_walk import Step
from tests.planted.planting import Edit


@dataclass(frozen=True)
class Bug:
    """A bug by name, the edits that make it, and who looks for it: walks of any seed or one script,
    documents, acknowledgements, or marks."""

    name: str
    edits: tuple[Edit, ...]
    hunt: str = "walks"
    script: tuple[Step, ...] = ()


def bug(
    name: str, *edits: tuple[str, str, str], hunt: str = "walks", script: tuple[Step, ...] = ()
) -> Bug:
    """A bug from (target below `rtcdp.`, good text, bad text) of each edit."""
    made = tuple(Edit(f"rtcdp.{target}", good, bad) for target, good, bad in edits)
    return Bug(name, made, hunt, script)


_EVENT = (1, 0, "A", "ada", 3, "/a", 20)
_POISON = (3, 0, "A", "poison", 3, "/a", 20)

BUGS = (
    bug(
        "an event that is exactly as late as allowed is late",
        ("admission.batch:decode_batch", "rules) > 0)] = LATE", "rules) >= 0)] = LATE"),
    ),
    bug(
        "an event that is one millisecond too late is admitted",
        (
            "admission.steps:behind_lateness",
            "- rules.allowed_lateness_ms",
            "- rules.allowed_lateness_ms - 1",
        ),
    ),
    bug(
        "an event from the future is admitted",
        ("admission.steps:ahead_of_clock", "- rules.max_clock_skew_ms", "- 2**40"),
    ),
    bug(
        "imported history can be late",
        ("admission.batch:decode_batch", "~imported & (", "(imported | True) & ("),
    ),
    bug(
        "a conflict is an ordinary duplicate",
        (
            "admission.repeats:_repeats",
            "contents != ids.contents",
            "ids.contents != ids.contents",
        ),
    ),
    bug(
        "an id is the same in all sources",
        (
            "admission.batch:_id_hashes",
            "return of_id + of_source",
            "return of_id + 0 * of_source",
        ),
    ),
    bug(
        "a time is rounded up",
        ("events.codec:parse_timestamp_ms", '_BEYOND_MICROSECONDS.sub(r"\\1", text)', "text"),
    ),
    bug(
        "zero keeps its sign",
        ("events.columns:_decode_fields", 'pl.col("value") == 0', 'pl.col("value") == 1e-300'),
        hunt="documents",
    ),
    bug(
        "a distinct count is estimated at its bound",
        ("definitions.measures.distinct:_beyond", "estimate <= DISTINCT", "0 < -DISTINCT"),
        script=(Step("start", (0, (3,))), Step("append_crowd", (8_192,)), Step("judge")),
    ),
    bug(
        "a ledger minute begins a second late",
        (
            "admission.batch:_ledger",
            "minutes = decoded.received_at // MINUTE_MS * MINUTE_MS",
            "minutes = (decoded.received_at - 1000) // MINUTE_MS * MINUTE_MS",
        ),
    ),
    bug(
        "good events become dead letters with their neighbour",
        ("engines.native.processor:Processor._take_apart", "if count > 1:", "if count > 3:"),
    ),
    bug(
        "the watermark starts anew with each epoch",
        (
            "engines.native.epochs:_max_received_at",
            "progress.max_received_at.get(piece.partition, 0)",
            "0",
        ),
        (
            "store.sql.epoch:_advance",
            'larger_of("_partitions.max_received_at", "excluded.max_received_at")',
            '"excluded.max_received_at"',
        ),
    ),
    bug(
        "the last record of a batch is not counted",
        (
            "engines.native.lowering:changes_of",
            "if events.is_empty():",
            "events = events.head(max(1, events.height - 1))\n    if events.is_empty():",
        ),
    ),
    bug(
        "where to resume is moved before the result is there",
        (
            "store.sql.store:SqlStore.commit",
            "apply_epoch(connection, epoch, self._prepared)",
            "early = epoch.__class__(**vars(epoch) | {'changes': ()})\n"
            "        apply_epoch(connection, early, self._prepared)\n"
            "    self.planted = getattr(self, 'planted', 0) + 1\n"
            "    if self.planted % 5 == 0:\n"
            "        from rtcdp.testing.simulation import Died\n"
            "        raise Died\n"
            "    from rtcdp.store.sql.epoch import merge_changes\n"
            "    with self._leased() as connection:\n"
            "        merge_changes(connection, epoch.changes)",
        ),
    ),
    bug(
        "a span is too short",
        ("engines.native.epochs:_spans", "int(times.max())", "int(times.max()) - 1"),
    ),
    bug(
        "joined spans keep the times of the first",
        (
            "store.sql.epoch:_add_span",
            "{larger_of('max_event_time', newest)}",
            "max_event_time",
        ),
    ),
    bug(
        "a view shows a sum without its millionths",
        (
            "definitions.measures.exact_sum:total_in_sql",
            "+ {micros} AS",
            "+ 0 * {micros} AS",
        ),
    ),
    bug(
        "a view of panes lacks its oldest pane",
        (
            "store.sql.views:_added_up",
            "WHERE {start} > {pane}",
            "WHERE {start} > {slide} + {pane}",
        ),
    ),
    bug(
        "windows that are added up lack a pane",
        (
            "answers.panes:_sum_panes",
            "bucket_to=newest + _window(metric).size_ms,",
            "bucket_to=newest + _window(metric).size_ms - panes.bucket_ms,",
        ),
    ),
    bug(
        "before 1970 windows are rounded up",
        (
            "engines.native.lowering:changes_of",
            "timestamps // size * size",
            "timestamps // size * size + size * (timestamps < 0)",
        ),
        script=(
            Step("start", (0, (0, 1, 2, 3))),
            Step(
                "append",
                (0, "shop", "import", ((None, 1_800_000_000_001, "A", "ada", 3, "/a", 20),)),
            ),
            Step("judge"),
        ),
    ),
    bug(
        "an absent value counts in an average",
        ("definitions.measures.average:Average.parts", "THEN 0 ELSE 1", "THEN 1 ELSE 1"),
    ),
    bug(
        "a commit whose reply was lost is applied again",
        (
            "engines.commit:has_committed",
            "return progress.epoch == epoch.number",
            "return False",
        ),
        ("store.rules:check_follows", "epoch.number != progress.epoch + 1", "False"),
        ("store.rules:check_follows", "!= span.first_offset", "is None"),
    ),
    bug(
        "what is acknowledged is not in the log yet",
        (
            "intake.group_commit:GroupCommit._commit",
            "placed = self._failure or self._append([delivery for delivery, _ in group])",
            "tickets = tuple(ticket for _, ticket in group)\n"
            "    self._on_committed(CommittedGroup(tickets, None, 0.0))\n"
            "    self._failure or self._append([delivery for delivery, _ in group])\n"
            "    return",
        ),
        hunt="acknowledgements",
    ),
    bug(
        "whoever writes into a topic of ours is believed",
        ("log.envelope:_marks_of", "(JUDGED_HEADER, JUDGED) in pairs", "True"),
        hunt="marks",
    ),
    bug(
        "a mark is believed wherever it stands",
        (
            "log.envelope:records_of",
            "for each in marked if is_ours else ():",
            "for each in marked:",
        ),
        hunt="marks",
    ),
    bug(
        "a marked record that holds two lines gives its neighbours other places",
        ("log.envelope:_records_of", "if is_judged.any() and count_of", "if False and count_of"),
        hunt="marks",
    ),
    bug(
        "of two equal keys the last one counts",
        ("events.codec:decode", "has_field_twice(record, wire, _KNOWN_FIELDS)", "False"),
        hunt="documents",
    ),
    bug(
        "after a restart the log's end is judged again, by the rules of now",
        (
            "engines.native.recovery:remembered",
            "remember(decided, seen)",
            "from rtcdp.admission.batch import decode_batch\n"
            "        from rtcdp.admission.rules import AdmissionRules\n"
            "        now = AdmissionRules(allowed_lateness_ms=60_000)\n"
            "        remember(decode_batch(decided.pieces, (), now), seen)",
        ),
    ),
    bug(
        "after a restart no id is known",
        (
            "engines.native.recovery:remembered",
            "starts[partition] = min(",
            "starts[partition] = max(",
        ),
    ),
    bug(
        "a backfill judges again",
        (
            "engines.native.backfill:backfill",
            "admitted = decided.events.filter(decided.verdicts == ADMITTED)",
            "from rtcdp.admission.batch import decode_batch\n"
            "            from rtcdp.admission.rules import AdmissionRules\n"
            "            fields = fields_of([metric])\n"
            "            again = decode_batch(decided.pieces, fields, AdmissionRules())\n"
            "            admitted = again.events.filter(again.verdicts == ADMITTED)",
        ),
    ),
    bug(
        "recorded verdicts are not read",
        ("engines.decided:with_recorded", "verdicts[at[here]] = codes[here]", "continue"),
    ),
    bug(
        "a metric that comes back is filled from the log's beginning",
        (
            "store.sql.definitions:_pause",
            "_remember(connection, stored.name, progress.next_offsets)",
            "_remember(connection, stored.name, {})",
        ),
    ),
    bug(
        "an id that came much later counts as a repeat, if its clock is behind",
        (
            "admission.repeats:_repeats",
            "around.after.first_at <= ids.received_at + window_ms",
            "around.after.last_at > ids.received_at",
        ),
        script=(
            Step("start", (0, (0,))),
            Step("advance", (6_600_000,)),
            Step("append", (0, "shop", "live", (_EVENT,))),
            Step("set_clock_ahead", (-6_000_000,)),
            Step("append", (0, "shop", "live", (_EVENT,))),
            Step("judge"),
        ),
    ),
    bug(
        "the window of ids is a millisecond longer",
        (
            "admission.repeats:_repeats",
            "around.before.last_at >= ids.received_at - window_ms",
            "around.before.last_at >= ids.received_at - window_ms - 1",
        ),
    ),
    bug(
        "one record's clock makes the index forget",
        (
            "admission.event_id_index:SeenIds.check_and_add",
            "self._add(_Run(0, sighted))",
            "self._add(_Run(0, sighted))\n"
            "    first = int(ids.received_at.max(initial=0)) - self._window_ms - 300_000\n"
            "    runs = [_only(each, each.ids.last_at >= first) for each in self._runs]\n"
            "    self._runs = [each for each in runs if len(each)]",
        ),
    ),
    bug(
        "an older copy of the log that has grown is taken for the log",
        ("engines.resume:check_same_log", "_check_mark(log, partition, progress)", "pass"),
    ),
    bug(
        "an older copy of the log that ends too early is taken for the log",
        ("engines.resume:check_reach", "next_offset > end", "next_offset > end + 2**40"),
    ),
    bug(
        "a failed batch stays in the index of ids",
        (
            "engines.native.processor:Processor._settle",
            "self._seen.reset(under_way.mark)",
            "pass",
        ),
    ),
    bug(
        "a failed batch is taken apart partition by partition",
        ("engines.quarantine:halves", 'np.argsort(due, kind="stable")', "np.arange(len(due))"),
        script=(
            Step("start", (0, (0, 1, 2))),
            Step("append", (1, "shop", "live", (_EVENT, (2, *_EVENT[1:])))),
            Step("advance", (60_000,)),
            Step("break_engine"),
            Step("append", (0, "shop", "live", (_POISON, (1, 0, "A", "bob", 3, "/a", 20)))),
            Step("judge"),
        ),
    ),
    bug(
        "partitions are decided one after the other",
        (
            "admission.batch:order_of_decision",
            'return np.argsort(due, kind="stable")',
            "return np.arange(len(due))",
        ),
    ),
    bug(
        "expiry goes by the wall clock",
        (
            "engines.upkeep:Upkeep.expire",
            "now_ms, keeping = self._time.trusted_ms, self._keeping",
            "now_ms, keeping = self._clock.now_ms(), self._keeping",
        ),
        (
            "engines.upkeep:Upkeep.expire",
            "self._time.is_suspended or not self._time.has_begun",
            "False",
        ),
        script=(
            Step("start", (0, (0, 1))),
            Step("append", (0, "shop", "live", (_EVENT,))),
            Step("count", (1,)),
            Step("set_clock_ahead", (40 * 86_400_000,)),
            Step("append", (0, "shop", "live", (_POISON,))),
            Step("keep_house"),
            Step("judge"),
        ),
    ),
    bug(
        "verdicts of records that the log still holds are deleted",
        (
            "engines.upkeep:Upkeep.expire",
            "offsets_before=first_offsets",
            "offsets_before=progress.next_offsets",
        ),
    ),
    bug(
        "changed rules are not on record",
        (
            "engines.native.processor:Processor.recover",
            "before = self.store.put_rules_in_force(self._rules)",
            "before = None\n"
            "    if not self._progress.epoch:\n"
            "        self.store.put_rules_in_force(self._rules)",
        ),
    ),
    bug(
        "a replayed dead letter is replayed again and again",
        (
            "admission.batch:_decode_odd",
            "record.replay_of is not None and event.event_id is None",
            "False",
        ),
        (
            "runtime.dead_letters:replay_dead_letters",
            "only_not_replayed=True",
            "only_not_replayed=False",
        ),
        ("runtime.dead_letters:replay_dead_letters", "not in in_the_log", "not in ()"),
        script=(
            Step("start", (0, (0,))),
            Step("append", (0, "shop", "live", ((None, -400_000, "A", "ada", None, None, 20),))),
            Step("count", (1,)),
            Step("advance", (600_000,)),
            Step("replay_dead_letters"),
            Step("replay_dead_letters"),
            Step("judge"),
        ),
    ),
    bug(
        "the id of a replayed dead letter lies among the clients' ids",
        ("admission.batch:_decode_odd", "assigned_id(record.replay_of)", "record.replay_of"),
        script=(
            Step("start", (0, (0,))),
            Step("append", (0, "shop", "live", ((None, -400_000, "A", "ada", None, None, 20),))),
            Step("count", (1,)),
            Step("advance", (600_000,)),
            Step("replay_dead_letters"),
            Step("append", (0, "shop", "live", ((1, 0, "A", "bob", None, None, 2),))),
            Step("judge"),
        ),
    ),
)
