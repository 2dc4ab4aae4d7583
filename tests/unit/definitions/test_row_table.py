from dataclasses import replace

import pytest

from rtcdp.definitions import RowTable
from rtcdp.errors import UsageError

VISITS = RowTable(
    name="visits",
    columns=(("userId", "text"), ("start", "integer"), ("entry", "text"), ("n", "integer")),
    group_key=("userId",),
    order=("start", "entry"),
)


def test_its_key_is_the_group_and_then_the_order():
    assert VISITS.primary_key == ("userId", "start", "entry")
    assert VISITS.column_names == ("userId", "start", "entry", "n")
    assert VISITS.value_names == ("n",)
    assert VISITS.time == "start"
    assert replace(VISITS, order=()).time is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Visits"},
        {"name": "_visits"},
        {"columns": (*VISITS.columns, ("from", "integer"))},
        {"columns": (*VISITS.columns, ("_checksum", "integer"))},
        {"columns": (*VISITS.columns, ("N", "integer"))},
        {"group_key": ()},
        {"group_key": ("n",)},
        {"group_key": ("nobody",)},
        {"order": ("entry",)},
        {"order": ("start", "start")},
        {"order": ("start", "userId")},
        {"columns": (*VISITS.columns, ("x", "real")), "order": ("start", "x")},
        {"columns": VISITS.columns[:3]},
    ],
)
def test_what_can_not_be_kept_is_refused(fields):
    with pytest.raises(UsageError):
        replace(VISITS, **fields)


def test_its_fingerprint_is_that_of_its_meaning():
    assert replace(VISITS, name="other").fingerprint == VISITS.fingerprint
    others = [
        replace(VISITS, meaning="other"),
        replace(VISITS, order=("start",)),
        replace(VISITS, group_key=("userId", "entry"), order=("start",)),
        replace(VISITS, columns=(*VISITS.columns, ("m", "real"))),
    ]
    assert len({VISITS.fingerprint, *(table.fingerprint for table in others)}) == 5
