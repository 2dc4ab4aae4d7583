"""Items of lists as rows of a table."""

from typing import Any, Literal

import msgspec

from rtcdp.answers.list_rows import columns_of, rows_of


class Step(msgspec.Struct):
    name: str
    reached: int
    rate: float | None


class Sums(msgspec.Struct, kw_only=True):
    count: int


class Cohort(Sums, omit_defaults=True, kw_only=True):
    cohort_start: str | None
    kind: Literal["a", "b"]
    open: bool
    path: list[str]
    key: dict[str, str]
    steps: list[Step]
    raw: msgspec.Raw
    value: str | msgspec.UnsetType | None = msgspec.UNSET


def test_columns_are_what_fields_hold_and_those_of_others_come_last() -> None:
    assert columns_of(Cohort) == {
        "count": "integer",
        "cohort_start": "instant",
        "kind": "text",
        "open": "boolean",
        "path": "texts",
        "key": "text",
        "raw": "text",
        "value": "text",
        "name": "text",
        "reached": "integer",
        "rate": "real",
    }


def test_each_of_the_others_that_an_item_holds_is_a_row() -> None:
    steps = [Step("one", 3, 1.0), Step("two", 0, None)]
    own: dict[str, Any] = {"count": 1, "cohort_start": None, "kind": "a", "open": True}
    item = Cohort(**own, path=["/"], key={"k": "ü"}, steps=steps, raw=msgspec.Raw(b'{"n":1.0}'))
    told = {**own, "path": ["/"], "key": '{"k":"ü"}', "raw": '{"n":1.0}'}
    assert list(rows_of([item])) == [
        {**told, "name": "one", "reached": 3, "rate": 1.0},
        {**told, "name": "two", "reached": 0, "rate": None},
    ]
    assert list(rows_of([msgspec.structs.replace(item, steps=[])])) == [told]


def test_what_is_a_row_already_stays_one() -> None:
    rows = [{"userId": "ada"}, {"userId": "bob", "n": 1}]
    assert list(rows_of(rows)) == rows
