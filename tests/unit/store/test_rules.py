from dataclasses import replace

import polars as pl
import pytest

from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.store.rules import EpochUnbalanced, check_balance
from rtcdp.testing.epochs import EpochMaker


def test_a_balanced_epoch_passes():
    check_balance(EpochMaker().make(admitted=3, uncounted=[{}, {"verdict": "late"}]))


def test_an_epoch_that_read_nothing_needs_no_ledger():
    epoch = EpochMaker().make(admitted=0)
    check_balance(replace(epoch, ledger=pl.DataFrame()))


@pytest.mark.parametrize(
    "row",
    [
        ("a", 0, 3, 1, 1, 0, 0, 0, 0),
        ("a", 0, 3, 5, -2, 0, 0, 0, 0),
        ("a", 0, 3, 2, 1, 0, 0, 2, 0),
        ("a", 0, 3, 2, 1, 0, 0, -1, 0),
    ],
    ids=["sum", "negative", "more conflicts than duplicates", "negative conflicts"],
)
def test_a_row_that_does_not_balance_is_named(row):
    ledger = pl.DataFrame([row], LEDGER_SCHEMA, orient="row")
    with pytest.raises(EpochUnbalanced, match="'source': 'a'"):
        check_balance(replace(EpochMaker().make(admitted=3), ledger=ledger))


def test_all_received_are_what_was_read():
    two_sources = pl.DataFrame(
        [("a", 0, 1, 1, 0, 0, 0, 0, 0), ("b", 0, 1, 1, 0, 0, 0, 0, 0)],
        LEDGER_SCHEMA,
        orient="row",
    )
    check_balance(replace(EpochMaker().make(admitted=2), ledger=two_sources))
    with pytest.raises(EpochUnbalanced, match="read 3 records and accounts for 2"):
        check_balance(replace(EpochMaker().make(admitted=3), ledger=two_sources))
