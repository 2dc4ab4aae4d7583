import pytest

from rtcdp.definitions import MAX_SIZE_MS, MAX_WRITTEN_OVERLAP, Window, sliding, tumbling
from rtcdp.errors import UsageError


def test_tumbling_windows_lie_side_by_side() -> None:
    assert tumbling(minutes=1) == Window(60_000, 60_000)
    assert tumbling(days=1, hours=2, minutes=3, seconds=4) == Window(93_784_000, 93_784_000)


def test_sliding_windows_overlap() -> None:
    assert sliding(size_seconds=60, every_seconds=30) == Window(60_000, 30_000)


@pytest.mark.parametrize(
    ("size_ms", "slide_ms", "pane_ms", "overlap"),
    [
        (60_000, 60_000, 60_000, 1),
        (60_000, 30_000, 30_000, 2),
        (50_000, 20_000, 10_000, 3),
        (3_600_000, 60_000, 60_000, 60),
        (7, 3, 1, 3),
    ],
)
def test_a_window_is_a_whole_number_of_panes(
    size_ms: int, slide_ms: int, pane_ms: int, overlap: int
) -> None:
    window = Window(size_ms, slide_ms)

    assert (window.pane_ms, window.overlap) == (pane_ms, overlap)


def test_windows_are_written_out_where_the_overlap_is_small() -> None:
    at_the_limit = Window(1000 * MAX_WRITTEN_OVERLAP, 1000)

    assert at_the_limit.is_written_out
    assert at_the_limit.bucket_ms == at_the_limit.size_ms


def test_only_panes_are_kept_where_the_overlap_is_large() -> None:
    beyond_the_limit = Window(1000 * MAX_WRITTEN_OVERLAP + 1, 1000)

    assert not beyond_the_limit.is_written_out
    assert beyond_the_limit.bucket_ms == beyond_the_limit.pane_ms == 1


@pytest.mark.parametrize(("size_ms", "slide_ms"), [(0, 0), (60, 0), (60, -1), (60, 61)])
def test_a_slide_that_leaves_gaps_or_stands_still_is_refused(size_ms: int, slide_ms: int) -> None:
    with pytest.raises(UsageError, match=f"{size_ms} ms can't slide by {slide_ms} ms"):
        Window(size_ms, slide_ms)


def test_a_window_without_length_is_refused() -> None:
    with pytest.raises(UsageError):
        tumbling()


def test_a_window_is_a_year_long_at_most() -> None:
    assert tumbling(days=365).size_ms == MAX_SIZE_MS
    with pytest.raises(UsageError, match="too long"):
        tumbling(days=366)
