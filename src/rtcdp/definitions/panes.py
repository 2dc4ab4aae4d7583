"""From panes to windows. Written once: engines write windows out with it, readers add panes up."""

from typing import TypeVar

import polars as pl

from rtcdp.definitions.table import BUCKET_START
from rtcdp.definitions.window import Window

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def explode_panes(frame: Frame, window: Window) -> Frame:
    """One row per pane and window that the pane lies in.

    `frame` holds the start of a pane in `window_start` (int64, UTC ms, a multiple of
    `window.pane_ms`; before 1970 it is negative) and any other columns. The result has the same
    columns in the same order, with `window_start` replaced by the start of the window: every
    multiple s of the slide with s <= pane < s + size. Rows of one pane stay together, the oldest
    window first.
    """
    pane, slide = pl.col(BUCKET_START), window.slide_ms
    newest = pane // slide * slide
    if window.overlap == 1:
        return frame.with_columns(newest.alias(BUCKET_START))
    oldest = ((pane - window.size_ms) // slide + 1) * slide
    windows = pl.int_ranges(oldest, newest + 1, slide).alias(BUCKET_START)
    return frame.with_columns(windows).explode(BUCKET_START, empty_as_null=False, keep_nulls=False)
