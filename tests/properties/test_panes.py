"""Pane arithmetic against the definition, for any window and time."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.definitions import Window
from rtcdp.definitions.panes import explode_panes

windows = st.tuples(st.integers(1, 60), st.integers(1, 60)).map(
    lambda pair: Window(max(pair), min(pair))
)


@given(windows, st.lists(st.integers(-500, 500), max_size=5))
def test_a_pane_lies_in_exactly_the_windows_that_hold_it(window: Window, steps: list[int]) -> None:
    panes = [step * window.pane_ms for step in steps]
    frame = pl.DataFrame(
        {"window_start": panes, "pane": panes},
        schema_overrides={"pane": pl.Int64, "window_start": pl.Int64},
    )
    expected = [
        (start, pane)
        for pane in panes
        for start in range(pane - window.size_ms, pane + 1)
        if start % window.slide_ms == 0 and start <= pane < start + window.size_ms
    ]
    assert explode_panes(frame, window).rows() == expected
