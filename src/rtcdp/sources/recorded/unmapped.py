"""Why a line of a recorded file is no event by its mapping: which column, what it says, and what
was expected there."""

from typing import NamedTuple

_SHOWN_CHARACTERS = 60


class Unmapped(NamedTuple):
    """The reason. `column` is empty where it is about the line as a whole; `value` is None where
    a column is absent, or where the line is no event for a reason that is no column's."""

    column: str
    value: str | None
    expected: str

    def __str__(self) -> str:
        """`column event_time is '2026-13-01', expected a time like 2026-01-31 09:30:00`"""
        what = f"column {self.column}" if self.column else "the line"
        if self.value is None and not self.column:
            return f"the line is no event: {self.expected}"
        if self.value is None:
            return f"{what} is empty, expected {self.expected}"
        value = self.value
        if len(value) > _SHOWN_CHARACTERS:
            value = value[:_SHOWN_CHARACTERS] + "…"
        return f"{what} is {value!r}, expected {self.expected}"


class Invalid(Exception):
    """A column's text is not what its rule asks for; `reason` says how."""

    def __init__(self, column: str, value: str | None, expected: str) -> None:
        super().__init__(column)
        self.reason = Unmapped(column, value, expected)
