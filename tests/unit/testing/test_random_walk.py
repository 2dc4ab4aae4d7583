from collections.abc import Sequence

import pytest

from rtcdp.testing import random_walk
from rtcdp.testing.random_walk import Step, failure_of, report, shortest, walk


def test_a_seed_makes_one_walk() -> None:
    assert walk(7, 30) == walk(7, 30) != walk(8, 30)
    assert [step.name for step in walk(7, 30)][:1] == ["start"]
    assert walk(7, 30)[-1] == Step("judge")
    assert "append" not in {step.name for step in walk(7, 30, ["append"])}


def test_a_step_reads_like_a_call() -> None:
    assert str(Step("advance", (1_000,))) == "advance(1000,)"


def test_what_is_raised_is_a_failure() -> None:
    assert failure_of([Step("count", (1,)), Step("advance", ("a second",))]).startswith("TypeError")


def test_a_script_is_made_as_short_as_the_failure_allows() -> None:
    steps = [Step("start"), *(Step("advance", (n,)) for n in range(20)), Step("judge")]

    def fails(fewer: Sequence[Step]) -> str:
        return "wrong" if {Step("advance", (3,)), Step("advance", (17,))} <= set(fewer) else ""

    assert shortest(steps, fails) == [
        Step("start"),
        Step("advance", (3,)),
        Step("advance", (17,)),
    ]


def test_a_walk_that_agrees_has_no_report() -> None:
    assert report(3, 5) == ""


def test_a_report_names_the_seed_and_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(steps: Sequence[Step], _: object) -> str:
        return "wrong" if Step("judge") in steps else ""

    monkeypatch.setattr(random_walk, "failure_of", fails)
    found = report(3, 5)
    assert found.splitlines()[0] == "seed 3, 5 steps: wrong"
    assert found.splitlines()[-1] == "  judge()"
