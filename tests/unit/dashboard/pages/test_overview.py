"""What happens now."""

from rtcdp.dashboard.pages.overview import PAGE, shown


def test_what_is_live_is_asked_for() -> None:
    assert shown(None) is None  # type: ignore[arg-type,func-returns-value]
    assert PAGE.stream == "anomalies=true"
