import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.store import Erasure, TableChange
from rtcdp.store.checksums import joined, sums_of_changes
from rtcdp.store.sql.erasures import taken_off


def test_what_is_taken_off_the_sums_is_what_was_added():
    (table,) = tables_of(Metric("m", "M", tumbling(minutes=1), (Count("n"),), key=("userId",)))
    rows = pl.DataFrame({"window_start": [0, 60_000], "userId": ["ada", "ada"], "n": [3, 4]})
    change = TableChange(table, rows)
    ((name, day, low, high),) = sums_of_changes([change])
    erasure = Erasure(ErasedUser.of("ada", "00" * 16, 1), (change,))
    assert taken_off(erasure) == [(name, day, -low, -high)]
    assert (joined(low, high) + joined(-low, -high)) % 2**64 == 0
