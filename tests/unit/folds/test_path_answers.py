import polars as pl

from rtcdp.folds.path_answers import alike, drop_off, whole_paths
from tests.unit.folds.test_paths import rows_of, walk


def test_rare_paths_are_other_and_nobody_is_lost():
    rows = rows_of(walk("a", "/", "/x"), walk("b", "/", "/x"), walk("c", "/"), walk("d", "/", "/y"))
    assert whole_paths(rows, 1).rows() == [('["/","/x"]', 2), (None, 2)]
    assert whole_paths(rows, 3)["count"].to_list() == [2, 1, 1]


def test_who_went_on_along_a_cut_path_did_not_drop_off():
    rows = rows_of(walk("a", "/", "/x", "/y", "/z"), walk("b", "/"), walk("c", "/", "/x", "/y"))
    assert drop_off(rows).rows() == [(1, 3, 1), (2, 2, 0), (3, 2, 1)]


def test_paths_that_are_told_together_count_as_often():
    rows = rows_of(walk("a", "/", "/x"), walk("b", "/", "/x"), walk("c", "/"))
    parts = pl.concat([alike(rows.head(1)), alike(rows.slice(1))])
    assert whole_paths(parts, 1).equals(whole_paths(rows, 1))
    assert drop_off(alike(parts)).equals(drop_off(rows))
