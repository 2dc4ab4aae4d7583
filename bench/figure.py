"""A line of the table that docs/benchmarks.md keeps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, the goal, and what came out."""

    name: str
    goal: str
    measured: str


def rate_figure(name: str, goal: int | None, unit: str, found: float) -> Figure:
    """A rate, and the least that it should be."""
    return Figure(name, f"≥ {goal:,} {unit}" if goal else "", f"{found:,.0f} {unit}")
