"""Grids of shares."""

from rtcdp.dashboard.drawing.grid import SHADES, GridCell, GridRow, grid, shade
from tests.drawn import tree_of


def texts(markup: str) -> list[str | None]:
    return [each.text for each in tree_of(markup).iter("text")]


def row(label: str, *shares: float | None) -> GridRow:
    return GridRow(label, 1200, [GridCell(share, f"{label} {share}") for share in shares])


def test_a_row_has_its_name_its_size_and_a_cell_for_each_period() -> None:
    markup = grid(["0", "1", "2"], [row("1 Jan", 1.0, 0.25, None)])
    assert texts(markup) == ["1 Jan", "1,200", "0", "1", "2", "100%", "25%"]


def test_names_stay_beside_cells_that_are_scrolled() -> None:
    names, cells = tree_of(grid([str(at) for at in range(30)], [row("1 Jan", 1.0)]))
    assert [each.text for each in names.iter("text")] == ["1 Jan", "1,200"]
    assert names.get("class") == "names"
    assert names.get("height") == cells.get("height")
    rights = [float(each.get("x") or 0) + float(each.get("width") or 0) for each in cells]
    assert max(rights) <= float(cells.get("width") or 0)


def test_what_is_not_over_has_no_number_and_says_so() -> None:
    root = tree_of(grid(["0"], [row("1 Jan", None)]))
    [cell] = root.iter("rect")
    assert (cell.get("class"), cell[0].text) == ("unknown", "1 Jan None")


def test_small_shares_have_a_place_more() -> None:
    assert texts(grid(["0", "1", "2"], [row("a", 0.0, 0.0123, 0.0997)]))[-3:] == [
        *("0%", "1.2%", "10%")
    ]


def test_shades_tell_shares_apart_up_to_the_largest() -> None:
    assert [shade(share, 0.4) for share in (0.0, 0.001, 0.2, 0.4, 1.0)] == [0, 1, 5, 9, 9]
    assert {shade(each / 1000, 1.0) for each in range(1001)} == set(range(SHADES))
    assert shade(1.0, 0.0) == SHADES - 1


def test_names_are_text_and_nothing_is_nothing() -> None:
    root = tree_of(grid(["0"], [row("<script>x</script>", 1.0)]))
    assert [each for each in root.iter() if each.tag == "script"] == []
    assert grid(["0"], []) == ""


def test_many_rows_stand_one_below_the_other() -> None:
    root = tree_of(grid(["0"], [row(str(at), 1.0) for at in range(50)]))
    tops = [float(each.get("y") or 0) for each in root.iter("rect")]
    assert tops == sorted(set(tops))
    assert float(root[1].get("height") or 0) > tops[-1] + 20
