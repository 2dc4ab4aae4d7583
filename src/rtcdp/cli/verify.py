"""The command `verify`: is the store what the log says?"""

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, number, progress_bar, remark, say
from rtcdp.clock import SystemClock
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.errors import UsageError
from rtcdp.folds.timeline import row_tables_of
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.parts import (
    folds_of,
    log_reader,
    metrics_of,
    require_log,
    require_store,
    store_of,
    stored_metrics_of,
    with_product_log,
)
from rtcdp.runtime.settings import Settings, without_password
from rtcdp.store.checksums import SelfCheck, check_sums
from rtcdp.verify.independent import Findings, summary, verify_independently
from rtcdp.verify.products import verify_products
from rtcdp.verify.store_against_log import Difference, Verification
from rtcdp.verify.store_against_log import verify as compare
from rtcdp.verify.stored import Kept
from rtcdp.words import plural

PARSE_ENGINES = "rtcdp.verify.engines:parse_engines"
COMPARE_ENGINES = "rtcdp.verify.engines:compare_engines"


@dataclass(frozen=True)
class Way:
    """Which way to look; the oracle's, unless another is asked for."""

    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Only see whether the counts in the store add up to what was counted; without the "
            "log.",
        ),
    ] = False
    engines: Annotated[
        str | None,
        typer.Option(
            "--engines",
            metavar="A,B",
            help="Run these engines over the log, each into a store of its own, and compare them "
            "instead: native,spark.",
        ),
    ] = None
    independent: Annotated[
        bool,
        typer.Option(
            "--independent",
            help="Let a judge that shares no code with the engines decide every record again, and "
            "compare verdicts, ledger, answers and views with it. Slow, and needs memory for all.",
        ),
    ] = False
    accept_processor_errors: Annotated[
        bool,
        typer.Option(
            "--accept-processor-errors",
            help="With --independent: good events that the engine could not count, and says so, "
            "are no failure of the check.",
        ),
    ] = False

    def __post_init__(self) -> None:
        given = [self.quick, self.engines is not None, self.independent]
        if sum(given) > 1:
            raise UsageError("a check goes one way", "give --quick, --engines or --independent")
        if self.accept_processor_errors and not self.independent:
            raise UsageError(
                "--accept-processor-errors is for the independent judge", "add --independent"
            )


@with_settings("catalog", "folds")
def verify(
    settings: Settings,
    *,
    way: Way,
    show: Annotated[
        int, typer.Option("--show", metavar="N", help="How many differences to list.")
    ] = 10,
    form: Form,
) -> None:
    """Compute everything again from the log, naively, and compare it with the store."""
    if way.quick:
        require_store(settings)
        check_sums_alone(settings, show, form)
        return
    names = None if way.engines is None else deferred(PARSE_ENGINES)(way.engines)
    require_log(settings)
    if names is not None:
        _report(_between(settings, names), show, (names[0], names[1]), form)
        return
    require_store(settings)
    if way.independent:
        accept = way.accept_processor_errors
        _report_findings(_independently(settings), show, form, accept=accept)
        return
    check_all(settings, show, form)


def check_all(settings: Settings, show: int, form: Form) -> None:
    """Compare the whole store with its log, and report it. Ends the command with 1 where they
    differ."""
    _report(_against_the_oracle(settings), show, ("expected", "found"), form)


def check_sums_alone(settings: Settings, show: int, form: Form) -> None:
    """See whether the counts in the store add up, and report it. Ends the command with 1 where they
    don't."""
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        there = store.row_tables()
        of_products = (table for table in PRODUCT_TABLES if table.name in there)
        tables = (*row_tables_of(folds_of(settings)), *of_products)
        found = check_sums(snapshot, stored_metrics_of(settings), row_tables=tables)
    rows = [{"table": d.table, "day": _day(d.day_ms)} for d in found.damaged[: max(0, show)]]
    more = {
        "is_sound": found.is_sound,
        "is_ledger_sound": found.is_ledger_sound,
        "damaged": len(found.damaged),
        **{name: getattr(found, name) for name in ("tables", "rows", "left_out")},
    }
    write(Result(("table", "day"), rows, more), form, lambda: _show_sums(found, show))
    if not found.is_sound:
        raise typer.Exit(1)


def _show_sums(found: SelfCheck, show: int) -> None:
    for reason in found.left_out:
        say(Text.assemble(("left out: ", "yellow"), reason))
    if found.is_sound:
        compared = f"{plural(found.tables, 'table')}, {plural(found.rows, 'row')}, and the ledger"
        say(Text.assemble(("the counts add up: ", "bold green"), compared))
        return
    if not found.is_ledger_sound:
        say(Text.assemble(("the ledger does not add up", "bold red")))
    if found.damaged:
        table = listing("table", "day", title="Counts that don't add up to what was counted")
        for damage in found.damaged[: max(0, show)]:
            table.add_row(damage.table, _day(damage.day_ms))
        say(table)
    say("run rtcdp verify without --quick to see which rows they are")


def _day(day_ms: int) -> str:
    return f"{datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=day_ms):%Y-%m-%d}"


def _between(settings: Settings, engines: tuple[str, ...]) -> Verification:
    with tempfile.TemporaryDirectory(prefix="rtcdp-verify-") as directory:
        found: Verification = deferred(COMPARE_ENGINES)(
            settings,
            engines,
            SystemClock(),
            Path(directory),
            lambda name: remark(f"{name} counts {without_password(settings.log_url)}"),
        )
    return found


def _kept(settings: Settings) -> Kept:
    retention = settings.store_retention
    return Kept(retention.windows_ms, retention.uncounted_ms, SystemClock().now_ms())


def _believing_no_mark(settings: Settings) -> Settings:
    """What a record says of itself is no proof: all of them are judged."""
    return replace(settings, kafka=replace(settings.kafka, topic_is_ours=False))


def _against_the_oracle(settings: Settings) -> Verification:
    with (
        log_reader(_believing_no_mark(settings)) as log,
        log_reader(with_product_log(settings)) as updates,
        store_of(settings, read_only=True) as store,
        progress_bar() as bar,
    ):
        task = bar.add_task("verifying", total=None)
        found = compare(
            log,
            store,
            [*stored_metrics_of(settings), *folds_of(settings)],
            settings.admission,
            _kept(settings),
            lambda read, total: bar.update(task, completed=read, total=total),
        )
        versions = settings.products.max_versions
        return found.beside(verify_products(updates, store, metrics_of(settings), versions))


def _independently(settings: Settings) -> Findings:
    with (
        log_reader(_believing_no_mark(settings)) as log,
        store_of(settings, read_only=True) as store,
        progress_bar() as bar,
    ):
        task = bar.add_task("judging", total=None)
        return verify_independently(
            log,
            store,
            [*stored_metrics_of(settings), *folds_of(settings)],
            settings.admission,
            _kept(settings),
            lambda read, total: bar.update(task, completed=read, total=total),
        )


def _report_findings(found: Findings, show: int, form: Form, *, accept: bool) -> None:
    rows = [
        {
            "about": each.about,
            "key": list(map(str, each.key)),
            "expected": str(each.expected),
            "found": str(each.found),
        }
        for each in found.disagreements[: max(0, show)]
    ]
    more = {
        "differences": len(found.disagreements),
        "set_aside": len(found.set_aside),
        **{name: getattr(found, name) for name in ("rows", "records", "left_out")},
    }
    result = Result(("about", "key", "expected", "found"), rows, more)
    write(result, form, lambda: _show_findings(found, show, accept=accept))
    if found.disagreements or (found.set_aside and not accept):
        raise typer.Exit(1)


def _show_findings(found: Findings, show: int, *, accept: bool) -> None:
    for reason in found.left_out:
        say(Text.assemble(("left out: ", "yellow"), reason))
    if found.set_aside:
        partition, offset = found.set_aside[0]
        say(
            Text.assemble(
                ("set aside: ", "yellow" if accept else "bold red"),
                f"{number(len(found.set_aside))} good events that the engine could not count, the "
                f"first at offset {offset} of partition {partition}; mend the defect and run "
                "rtcdp dead-letters replay",
            )
        )
    compared = f"{plural(found.rows, 'row')}, {plural(found.records, 'record')}"
    if found.disagreements:
        table = listing("about", "key", "expected", "found", title="Not what the judge says")
        for each in found.disagreements[: max(0, show)]:
            cells = (each.about, ", ".join(map(str, each.key)), each.expected, each.found)
            table.add_row(*(Text(str(cell)) for cell in cells))
        listed = ", ".join(summary(found))
        total = number(len(found.disagreements))
        say(table, Text.assemble((f"{total} differences: ", "bold red"), listed))
        say(f"compared: {compared}")
    elif not found.set_aside or accept:
        say(Text.assemble(("no difference: ", "bold green"), compared))


def _report(found: Verification, show: int, sides: tuple[str, str], form: Form) -> None:
    rows = [_row(difference, sides) for difference in found.differences[: max(0, show)]]
    more = {
        "differences": len(found.differences),
        **{name: getattr(found, name) for name in ("tables", "rows", "events", "left_out")},
    }
    result = Result(("table", "key", *sides, "note"), rows, more)
    write(result, form, lambda: _show(found, show, sides))
    if found.differences:
        raise typer.Exit(1)


def _row(difference: Difference, sides: tuple[str, str]) -> dict[str, object]:
    return {
        "table": difference.table,
        "key": list(map(str, difference.key)),
        sides[0]: _listed(difference.expected),
        sides[1]: _listed(difference.found),
        "note": difference.note,
    }


def _listed(values: tuple[object, ...] | None) -> list[str] | None:
    return None if values is None else list(map(str, values))


def _show(found: Verification, show: int, sides: tuple[str, str]) -> None:
    for reason in found.left_out:
        say(Text.assemble(("left out: ", "yellow"), reason))
    tables, rows = plural(found.tables, "table"), plural(found.rows, "row")
    compared = f"{tables}, {rows}, {plural(found.events, 'event')}"
    if not found.differences:
        say(Text.assemble(("no difference: ", "bold green"), compared))
        return
    say(_table(found, show, sides), _summary(found), f"compared: {compared}")


def _table(found: Verification, show: int, sides: tuple[str, str]) -> Table:
    title = "Not what the log says" if sides[0] == "expected" else "Not the same"
    table = listing("table", "key", *sides, title=title)
    for difference in found.differences[: max(0, show)]:
        table.add_row(*_cells(difference))
    return table


def _cells(difference: Difference) -> tuple[str, str, str, str]:
    expected = _values(difference.expected)
    if difference.note:
        expected += f" ({difference.note})"
    key = ", ".join(map(str, difference.key))
    return difference.table, key, expected, _values(difference.found)


def _values(values: tuple[object, ...] | None) -> str:
    if values is None:
        return "no row"
    return ", ".join(map(str, values)) or "a row"


def _summary(found: Verification) -> Text:
    by_table = Counter(difference.table for difference in found.differences)
    listed = ", ".join(f"{name} {count:,}" for name, count in by_table.most_common(5))
    return Text.assemble((f"{number(by_table.total())} differences: ", "bold red"), listed)
