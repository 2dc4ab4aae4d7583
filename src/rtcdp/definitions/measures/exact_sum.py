"""Sums that are exact decimals with six places: whole units and millionths, both integers, so that
adding in any order gives the same."""

from math import floor

from rtcdp.definitions.measures.contract import SqlOf, States
from rtcdp.definitions.state import Part

MICROS_PER_UNIT = 1_000_000


def units_column(name: str) -> str:
    return f"{name}__units"


def micros_column(name: str) -> str:
    return f"{name}__micros"


def sum_parts(name: str, field: str) -> tuple[Part, Part]:
    """The state of a measure's exact sum of a field."""
    whole = f'FLOOR("{field}")'
    micros = f'FLOOR(("{field}" - {whole}) * {MICROS_PER_UNIT}.0 + 0.5)'
    return (
        Part(units_column(name), "integer", "add", whole),
        Part(micros_column(name), "integer", "add", micros),
    )


def parts_of(value: object) -> tuple[int, int]:
    """Units and millionths of one value; nothing of none."""
    if not isinstance(value, float):
        return 0, 0
    units = floor(value)
    return units, floor((value - units) * MICROS_PER_UNIT + 0.5)


def total_micros(states: States, name: str) -> list[int]:
    """Exact, in Python's integers: one rounding happens, in the division that follows."""
    units, micros = (
        states.columns[column(name)].to_list() for column in (units_column, micros_column)
    )
    return [u * MICROS_PER_UNIT + m for u, m in zip(units, micros, strict=True)]


def total_in_sql(name: str, sql: SqlOf) -> str:
    """The same in SQL, as a real number that divisions go on from: it has the digits of a double,
    so that nothing is rounded below 9,007,199,254 units."""
    units, micros = sql.column(units_column(name)), sql.column(micros_column(name))
    return f"CAST(CAST({units} AS {sql.exact}) * {MICROS_PER_UNIT} + {micros} AS {sql.real})"
