"""The API's documentation, drawn in the browser from its OpenAPI description."""

from typing import Any

from rtcdp.dashboard.page import DashboardPage, PageAsked


def shown(_: PageAsked[Any]) -> None:
    """Nothing is known of it here."""


PAGE = DashboardPage(
    title="API", paths=("/docs",), template="docs.html", shown=shown, has_period=False
)
