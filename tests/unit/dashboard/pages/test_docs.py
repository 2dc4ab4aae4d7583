"""The API's documentation."""

from rtcdp.dashboard.pages.docs import PAGE, shown


def test_all_of_it_is_drawn_in_the_browser() -> None:
    assert shown(None) is None  # type: ignore[arg-type,func-returns-value]
    assert PAGE.paths == ("/docs",)
