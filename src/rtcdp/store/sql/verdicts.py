# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Recorded verdicts in a SQL store: of which records, by which rules, and what may be forgotten;
and what is known of the time."""

from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import RECORDED_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.definitions import larger_of
from rtcdp.store.contract import RulesInForce
from rtcdp.store.rules import rules_after, rules_replaced
from rtcdp.store.sql.reading import read_progress
from rtcdp.store.sql.schema import RULE_COLUMNS
from rtcdp.store.sql.statements import SqlConnection, SqlWriter, names, one_row

_CLOCK_COLUMNS = ("trusted_ms", "step_ms", "stepped_at", "is_suspended")


def read_verdicts(
    connection: SqlConnection, partition: int, offset_from: int, offset_to: int
) -> pl.DataFrame:
    """Verdict and reason of the uncounted records of a range of offsets, in their order."""
    p = connection.dialect.placeholder
    return connection.query(
        f"SELECT {names(*RECORDED_SCHEMA.names())} FROM _uncounted"
        f' WHERE "partition" = {p(1)} AND "offset" >= {p(2)} AND "offset" < {p(3)}'
        ' ORDER BY "offset"',
        RECORDED_SCHEMA,
        one_row(partition, offset_from, offset_to),
    )


def read_rules(connection: SqlConnection) -> list[RulesInForce]:
    """The history of the rules, oldest first."""
    starts: defaultdict[int, dict[int, int]] = defaultdict(dict)
    places = ("from_epoch", "partition", "next_offset")
    found = connection.query(
        f"SELECT {names(*places)} FROM _rules_from", pl.Schema(dict.fromkeys(places, pl.Int64()))
    )
    for from_epoch, partition, next_offset in found.rows():
        starts[from_epoch][partition] = next_offset
    columns = ("from_epoch", *RULE_COLUMNS)
    rows = connection.query(
        f"SELECT {names(*columns)} FROM _rules ORDER BY from_epoch",
        pl.Schema(dict.fromkeys(columns, pl.Int64())),
    ).rows(named=True)
    return [
        RulesInForce(
            row["from_epoch"],
            starts[row["from_epoch"]],
            AdmissionRules(**{name: row[name] for name in RULE_COLUMNS}),
        )
        for row in rows
    ]


def put_rules(connection: SqlConnection, rules: AdmissionRules) -> AdmissionRules | None:
    """Let `rules` decide from the next epoch on. Returns those that did until now, if others."""
    progress = read_progress(connection)
    before = read_rules(connection)
    history = rules_after(before, progress, rules)
    p = connection.dialect.placeholder
    if history != tuple(before):
        for table in ("_rules", "_rules_from"):
            connection.run(
                f"DELETE FROM {table} WHERE from_epoch > {p(1)}", one_row(progress.epoch)
            )
        if history[-1].from_epoch > progress.epoch:
            _insert_rules(connection, history[-1])
    return rules_replaced(history, progress)


def _insert_rules(connection: SqlConnection, entry: RulesInForce) -> None:
    dialect = connection.dialect
    columns = ("from_epoch", *RULE_COLUMNS)
    connection.run(
        f"INSERT INTO _rules ({names(*columns)}) VALUES ({dialect.placeholders(len(columns))})",
        one_row(entry.from_epoch, *(getattr(entry.rules, name) for name in RULE_COLUMNS)),
    )
    for partition, next_offset in entry.from_offsets.items():
        connection.run(
            'INSERT INTO _rules_from (from_epoch, "partition", next_offset)'
            f" VALUES ({dialect.placeholders(3)})",
            one_row(entry.from_epoch, partition, next_offset),
        )


def read_time(connection: SqlConnection) -> KeptTime:
    """What the store keeps of the time."""
    rows = connection.query(
        f"SELECT {names(*_CLOCK_COLUMNS)} FROM _clock",
        pl.Schema(dict.fromkeys(_CLOCK_COLUMNS, pl.Int64())),
    ).rows()
    if not rows:
        return KeptTime()
    trusted_ms, step_ms, stepped_at, is_suspended = rows[0]
    return KeptTime(trusted_ms, step_ms, stepped_at, bool(is_suspended))


def write_time(connection: SqlConnection, kept: KeptTime) -> None:
    """Replace what the store keeps of the time."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in _CLOCK_COLUMNS)
    connection.run(
        f"INSERT INTO _clock (id, {names(*_CLOCK_COLUMNS)})"
        f" VALUES ({connection.dialect.placeholders(5)})"
        f" ON CONFLICT (id) DO UPDATE SET {changes}",
        one_row(1, kept.trusted_ms, kept.step_ms, kept.stepped_at, int(kept.is_suspended)),
    )


def write_quiet(connection: SqlWriter, quiet_until: Mapping[int, int]) -> None:
    """Remember before which intake time nothing comes in partitions any more."""
    rows = pl.DataFrame(
        {"partition": list(quiet_until), "until": list(quiet_until.values())},
        {"partition": pl.Int64, "until": pl.Int64},
    )
    connection.send_rows(
        f'INSERT INTO _quiet ("partition", until) {connection.dialect.source(rows.dtypes)}'
        ' ON CONFLICT ("partition") DO UPDATE SET'
        f" until = {larger_of('_quiet.until', 'excluded.until')}",
        rows,
    )


def forget_verdicts(connection: SqlConnection, offsets_before: Mapping[int, int]) -> None:
    """Say that verdicts before these offsets may be gone, before they go."""
    p = connection.dialect.placeholder
    for partition, offset in offsets_before.items():
        connection.run(
            f"UPDATE _partitions SET decided_from = {p(2)}"
            f' WHERE "partition" = {p(1)} AND decided_from < {p(2)} AND next_offset >= {p(2)}',
            one_row(partition, offset),
        )
