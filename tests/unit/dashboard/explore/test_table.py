"""An answer as a table."""

from msgspec.structs import replace

from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.explore.groups import grouped
from rtcdp.dashboard.explore.table import CELLS_MAX, ROWS_MAX, TableShown, table
from rtcdp.dashboard.zone import PageZone
from tests.unit.dashboard.explore.answers import ASKED, answer_of

HERE = PageAddress("/explore", (("where", "userId=a"),))


def shown(rows: list[tuple[int, str | None, int]], columns: tuple[str, ...]) -> TableShown:
    return table(grouped(answer_of(rows, columns=columns)), ASKED, HERE, PageZone())


def test_one_number_of_several_groups_is_crossed_and_a_gap_stays_a_gap() -> None:
    found = shown([(0, "a", 1), (0, "b", 2), (1, None, 9), (1, "b", 4)], ("views.n",))
    assert found.is_crossed
    assert found.heads == ["a", "b", "7 others"]
    assert [[cell.text for cell in row.cells] for row in found.rows] == [
        ["1", "2", "–"],
        ["–", "4", "9"],
    ]
    assert [cell.href is None for cell in found.rows[1].cells] == [True, False, True]
    assert "where=userId%3Db" in str(found.rows[1].cells[1].href)


def test_several_numbers_have_a_row_for_each_group() -> None:
    found = shown([(0, "a", 1), (0, "b", 2), (0, None, 9)], ("views.n", "views.m"))
    assert [(row.group, row.only_href is None) for row in found.rows] == [
        ("a", True),
        ("b", False),
        ("7 others", True),
    ]


def test_one_group_alone_is_shown_in_place_of_those_that_are_shown() -> None:
    both = PageAddress("/explore", (*HERE.pairs, ("interval", "day"), ("where", "userId=b")))
    answer = answer_of([(0, "a", 1), (0, "b", 2)], columns=("views.n", "views.m"))
    found = table(grouped(answer), ASKED, both, PageZone())
    assert [row.only_href for row in found.rows] == [
        "/explore?interval=day&where=userId%3Da",
        "/explore?interval=day&where=userId%3Db",
    ]


def test_so_many_numbers_are_shown_and_all_rows_are_counted() -> None:
    times = [(hour, "a", 1) for hour in range(ROWS_MAX + 5)]
    found = shown(times, ("views.n",))  # type: ignore[arg-type]
    assert (len(found.rows), found.row_count) == (ROWS_MAX, ROWS_MAX + 5)
    wide = [(hour, f"u{user}", 1) for hour in range(100) for user in range(200)]
    crossed = shown(wide, ("views.n",))  # type: ignore[arg-type]
    assert sum(len(row.cells) for row in crossed.rows) <= CELLS_MAX
    assert (len(crossed.rows), crossed.row_count) == (CELLS_MAX // 200, 100)
    widest = [(hour, f"u{user}", 1) for hour in range(2) for user in range(CELLS_MAX + 1)]
    assert len(shown(widest, ("views.n",)).rows) == 1  # type: ignore[arg-type]


def test_lists_and_shares_are_written_short() -> None:
    answer = answer_of([(0, "a", 1)])
    for value, text in (
        ([{"pageUrl": "/a", "count": 3}], "/a 3"),
        ([], "–"),
        (0.12345, "0.123"),
        (None, "–"),
    ):
        item = {**answer.items[0], "views.n": value}
        found = table(grouped(replace(answer, items=[item])), ASKED, HERE, PageZone())
        assert found.rows[0].cells[0].text == text
