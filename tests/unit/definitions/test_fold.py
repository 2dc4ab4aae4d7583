"""A fold says all about itself: its columns, its key, and whether its meaning has changed."""

from dataclasses import replace

import pytest

from rtcdp.definitions import Fold
from rtcdp.errors import UsageError
from rtcdp.folds.sessions import Sessions

FOLD = Fold("visits", "Visits", Sessions())


def test_columns_begin_with_the_key_and_the_order():
    assert [column.name for column in FOLD.columns][:3] == ["userId", "start", "end"]
    assert FOLD.primary_key == FOLD.table.primary_key == ("userId", "start")


def test_the_fields_to_decode_are_named_once():
    assert FOLD.fields == tuple(sorted(set(FOLD.fields)))
    assert {"userId", "eventId", "pageUrl"} <= set(FOLD.fields)


def test_a_changed_meaning_has_another_fingerprint():
    assert replace(FOLD, title="Something else").fingerprint == FOLD.fingerprint
    assert replace(FOLD, step=Sessions(gap_ms=1000)).fingerprint != FOLD.fingerprint
    assert replace(FOLD, key="sessionId").fingerprint != FOLD.fingerprint


@pytest.mark.parametrize("name", ["Visits", "two__bars", "", "a" * 41])
def test_a_name_that_no_table_could_have_is_refused(name):
    with pytest.raises(UsageError):
        replace(FOLD, name=name)
