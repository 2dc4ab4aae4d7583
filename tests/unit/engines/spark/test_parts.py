"""A batch is cut in the order of decision."""

import polars as pl
import pytest

from rtcdp.engines.spark.exchange import PLACES_SCHEMA
from rtcdp.engines.spark.parts import Part, bounded, halves, in_decision_order


def part(*rows: tuple[int, int, int], ranges, weight: int = 1) -> Part:
    """Rows of (partition, offset, intake time)."""
    places = pl.DataFrame([(*row, None, weight) for row in rows], PLACES_SCHEMA, orient="row")
    return Part(ranges, in_decision_order(places))


WHOLE = part(
    *((0, 2, 50), (0, 3, 10), (0, 6, 60), (1, 0, 20), (1, 1, 0), (1, 2, 55)),
    ranges={0: (1, 9), 1: (0, 3)},
)


def places(given: Part) -> list[tuple[int, int]]:
    return given.places.select("partition", "offset").rows()


def test_records_are_in_line_by_due_time_and_partitions_as_they_stand() -> None:
    assert places(WHOLE) == [(0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (0, 6)]


def test_halves_go_on_where_the_other_ended_and_leave_nothing_out() -> None:
    first, second = halves(WHOLE)
    assert (places(first), places(second)) == (places(WHOLE)[:3], places(WHOLE)[3:])
    assert first.ranges == {0: (1, 4), 1: (0, 1)}
    assert second.ranges == {0: (4, 9), 1: (1, 3)}


@pytest.mark.parametrize(("most", "counts"), [(1, [1] * 6), (4, [4, 2]), (100, [6])])
def test_parts_are_bounded_but_never_empty(most, counts) -> None:
    parts = list(bounded(WHOLE, most))
    assert [each.record_count for each in parts] == counts
    assert [place for each in parts for place in places(each)] == places(WHOLE)


def test_a_record_beyond_the_bound_is_a_part_of_its_own() -> None:
    heavy = part((0, 0, 1), (0, 1, 2), ranges={0: (0, 2)}, weight=10)
    assert [each.ranges for each in bounded(heavy, 3)] == [{0: (0, 1)}, {0: (1, 2)}]
