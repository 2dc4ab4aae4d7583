"""What rows are of, and what their times are called."""

from rtcdp.dashboard.explore.groups import Group, grouped, labels
from rtcdp.dashboard.zone import PageZone
from tests.unit.dashboard.explore.answers import HOUR, answer_of

DAY = 24 * HOUR


def test_groups_come_in_the_order_of_rows_and_others_are_one() -> None:
    answer = answer_of([(0, "b", 3), (0, "a", 2), (0, None, 9), (1, "a", 1)])
    found = grouped(answer)
    others = Group("7 others", is_other=True)
    assert found.of_items == [Group("b"), Group("a"), others, Group("a")]
    assert found.groups == [Group("b"), Group("a"), others]
    assert found.starts == [0, 0, 0, HOUR]


def test_where_nothing_is_told_apart_there_is_one_group() -> None:
    assert grouped(answer_of([(0, "", 3), (1, "", 2)], by=())).groups == [None]


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    zone, start = PageZone("Europe/Berlin"), 1_792_887_600_000  # 2026-10-25T00:00+02:00
    hours = [start + hour * HOUR - HOUR for hour in range(1, 6)]
    names = labels("hour", hours, zone)
    assert len(set(names)) == 5
    assert sum("UTC+" in name for name in names) == 2
    assert labels("day", [start], zone) == ["25 Oct"]
    assert labels("day", [start, start + 365 * DAY], zone) == ["25 Oct 2026", "25 Oct 2027"]
    later = [*hours, *(hour + 365 * DAY for hour in hours)]
    assert len(set(labels("hour", later, zone))) == 10
    winters = [start + 90 * DAY, start + 455 * DAY]
    assert labels("hour", winters, zone) == ["23 Jan 2027, 01:20", "23 Jan 2028, 01:20"]
    assert labels("month", [start], zone) == ["Oct 2026"]
