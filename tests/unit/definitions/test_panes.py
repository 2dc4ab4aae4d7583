"""Which windows a pane lies in."""

import polars as pl
import pytest

from rtcdp.definitions import Window
from rtcdp.definitions.panes import explode_panes


def starts(pane: int, window: Window) -> list[int]:
    return explode_panes(pl.DataFrame({"window_start": [pane]}), window)["window_start"].to_list()


def test_tumbling_pane_is_its_own_window() -> None:
    assert starts(120_000, Window(60_000, 60_000)) == [120_000]


def test_sliding_pane_lies_in_each_window_that_covers_it() -> None:
    assert starts(90_000, Window(60_000, 30_000)) == [60_000, 90_000]


def test_size_need_not_be_a_multiple_of_the_slide() -> None:
    window = Window(50, 20)
    assert starts(0, window) == [-40, -20, 0]
    assert starts(10, window) == [-20, 0]


def test_windows_before_1970_are_aligned_to_the_epoch_too() -> None:
    assert starts(-30_000, Window(60_000, 30_000)) == [-60_000, -30_000]
    assert starts(-10, Window(50, 20)) == [-40, -20]


def test_other_columns_go_with_each_window_in_their_order() -> None:
    frame = pl.DataFrame({"userId": ["a", "b"], "window_start": [0, 30], "n": [1, 2]})
    assert explode_panes(frame, Window(60, 30)).rows() == [
        ("a", -30, 1),
        ("a", 0, 1),
        ("b", 0, 2),
        ("b", 30, 2),
    ]


@pytest.mark.parametrize("window", [Window(60, 60), Window(60, 30)])
def test_no_panes_make_no_windows(window: Window) -> None:
    frame = pl.DataFrame(schema={"window_start": pl.Int64, "n": pl.Int64})
    exploded = explode_panes(frame, window)
    assert exploded.is_empty()
    assert exploded.schema == frame.schema
