"""What happens now."""

from typing import Any

from rtcdp.dashboard.page import DashboardPage, PageAsked


def shown(_: PageAsked[Any]) -> None:
    """All of it comes by the live stream."""


PAGE = DashboardPage(
    title="Overview",
    paths=("/",),
    template="overview.html",
    shown=shown,
    has_period=False,
    stream="anomalies=true",
)
