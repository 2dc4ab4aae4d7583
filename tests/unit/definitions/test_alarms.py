"""Settings of alarms, and which of them can't be."""

import pytest

from rtcdp.definitions import USUAL, Alarms
from rtcdp.errors import UsageError


def test_the_usual_settings_are_those_of_nobody_in_particular() -> None:
    assert Alarms() == USUAL


@pytest.mark.parametrize(
    "wrong",
    [
        {"surprise": 0.5},
        {"surprise": float("nan")},
        {"rarity": 0},
        {"min_difference": -1.0},
        {"min_change": float("inf")},
        {"min_windows": -1},
        {"min_windows": True},
        {"rarity": 2.5},
        {"surprise": "5"},
        {"direction": "sideways"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"alarms can't have {next(iter(wrong))}"):
        Alarms(**wrong)
