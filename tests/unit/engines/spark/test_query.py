"""How far the watermark lies behind."""

import pytest

from rtcdp.engines.spark.query import delay_of


@pytest.mark.parametrize("window_ms", [0, 1, 1_000, 3_600_000])
@pytest.mark.parametrize("slack_ms", [0, 1, 999, 3_600_000])
def test_ids_are_kept_for_the_window_and_nothing_within_the_slack_is_dropped(
    window_ms: int, slack_ms: int
) -> None:
    delay_ms = delay_of(window_ms, slack_ms)
    assert 2 * delay_ms >= window_ms + slack_ms
    assert delay_ms >= slack_ms
    assert delay_ms > 0
