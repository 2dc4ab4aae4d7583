from rtcdp.folds.retention import Retention
from rtcdp.folds.retention_answers import alike, bracket_cells, pooled, retention_cells
from tests.unit.folds.test_retention import DAY, THREE_DAYS, rows_of


def test_cells_and_those_that_are_not_complete():
    cells = retention_cells(rows_of(), THREE_DAYS, 3 * DAY)
    told = cells.select("cohort", "after", "size", "returned").rows()
    assert told == [
        *((0, 0, 2, 1), (0, 1, 2, 1), (0, 2, 2, 1)),
        *((1, 0, 1, 0), (1, 1, 1, 0), (1, 2, 1, None)),
    ]
    assert pooled(cells).rows() == [(0, 3, 1), (1, 3, 1), (2, 2, 1)]


def test_a_rolling_cohort_is_complete_when_its_last_member_is():
    rolling = Retention(periods=2, clock="rolling")
    cells = retention_cells(rows_of(rolling), rolling, 2 * DAY)
    assert cells.filter("is_complete").select("cohort", "after").rows() == [(0, 0)]


def test_on_or_after():
    cells = retention_cells(rows_of(), THREE_DAYS, 9 * DAY, "on_or_after")
    assert cells.filter(cells["cohort"] == 0)["returned"].to_list() == [2, 1, 1]


def test_brackets_of_periods():
    cells = bracket_cells(rows_of(), THREE_DAYS, 3 * DAY, ((0, 1), (1, 3)))
    told = cells.select("cohort", "after", "returned").rows()
    assert told == [(0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, None)]


def test_people_that_are_told_together_count_as_many():
    rows = rows_of()
    halves = [rows.head(1), rows.slice(1)]
    together = alike(halves[0].vstack(halves[1]))
    for cells in (retention_cells, lambda *given: retention_cells(*given, "on_or_after")):
        expected = cells(rows, THREE_DAYS, 9 * DAY)
        assert cells(together, THREE_DAYS, 9 * DAY).equals(expected)
    parts = alike(halves[0]).vstack(alike(halves[1]))
    assert alike(parts).sort("cohort", "returned").equals(together.sort("cohort", "returned"))
