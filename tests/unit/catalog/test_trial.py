from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_definition, load_definitions, read_definition
from rtcdp.catalog.definition import COLUMNS_MAX, KEY_FIELDS_MAX, faults_of
from rtcdp.catalog.trial import faults_in_trial
from rtcdp.definitions import (
    AllOf,
    Count,
    Fold,
    Metric,
    Part,
    Predicate,
    Property,
    States,
    TextField,
    event_type,
    tumbling,
)
from rtcdp.errors import UsageError
from rtcdp.folds.funnels import Funnel, FunnelStep

STEPS = (FunnelStep("a", event_type("PAGE_VIEW")), FunnelStep("b", event_type("PURCHASE")))
METRIC = Metric("tried", "Tried", tumbling(minutes=1), (Count("n"),))


@dataclass(frozen=True)
class BrokenCount(Count):
    def parts(self) -> tuple[Part, ...]:
        return (replace(super().parts()[0], each="no_such_function(value)"),)


@dataclass(frozen=True)
class BrokenAnswer(Count):
    def final(self, states: States) -> list[object]:
        del states
        return [1 / 0]


def test_built_in_definitions_stand_the_trial() -> None:
    assert [faults_in_trial(each) for each in load_definitions()] == [[]] * len(load_definitions())


@pytest.mark.parametrize(
    ("key", "hold"), [("productId", ("productId",)), ("userId", ("pageUrl", "pageUrl"))]
)
def test_a_funnel_that_holds_its_key_or_a_field_twice_is_refused(
    key: TextField, hold: tuple[TextField, ...]
) -> None:
    [fault] = faults_in_trial(Fold("twice", "Twice", Funnel(STEPS, hold=hold), key))
    assert "twice names a column twice" in fault.message


@pytest.mark.parametrize("measure", [BrokenCount("n"), BrokenAnswer("n")])
def test_a_measure_that_fails_on_every_event_is_refused(measure: Count) -> None:
    [fault] = faults_in_trial(replace(METRIC, measures=(measure,)))
    assert "can't be computed" in fault.message


def test_a_step_that_fails_on_every_event_is_refused_with_its_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "from rtcdp.definitions import Fold\n"
        "from rtcdp.folds.sessions import Sessions\n"
        "class Broken(Sessions):\n"
        "    def join(self, events, stored, key):\n"
        "        raise KeyError('start')\n"
        "FOLD = Fold('broken', 'Broken', Broken())\n"
    )
    with pytest.raises(UsageError, match=r"broken\.py, line 6: it can't be computed: KeyError"):
        load_definition(file)


def test_predicates_that_are_nested_too_deep_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep.py"
    file.write_text(
        "from rtcdp.definitions import AllOf, Count, Everything, Metric, tumbling\n"
        "deep = Everything()\n"
        "for _ in range(3000):\n"
        "    deep = AllOf((deep,))\n"
        "METRIC = Metric('deep', 'Deep', tumbling(minutes=1), (Count('n'),), predicate=deep)\n"
    )
    _, [fault] = read_definition(file)
    assert (fault.line, "too deep" in fault.message) == (5, True)


def test_some_nesting_is_fine() -> None:
    some: Predicate = event_type("PURCHASE")
    for _ in range(30):
        some = AllOf((some,))
    assert faults_in_trial(replace(METRIC, predicate=some)) == []


def test_what_stores_have_no_room_for_is_refused() -> None:
    wide = replace(METRIC, key=tuple(Property(f"k{n}") for n in range(KEY_FIELDS_MAX + 1)))
    assert [fault.message for fault in faults_of(wide)] == ["its key has 17 fields"]
    long = replace(METRIC, measures=tuple(Count(f"n{n}") for n in range(COLUMNS_MAX)))
    assert [fault.message for fault in faults_of(long)] == [
        "its table tried would have 201 columns"
    ]
    own = replace(METRIC, key=(Property("ctid"),), measures=(Count("xmin"),))
    assert {fault.message for fault in faults_of(own)} == {
        "PostgreSQL keeps the column ctid to itself",
        "PostgreSQL keeps the column xmin to itself",
    }


def test_a_frame_without_any_event_of_the_metric_is_fine() -> None:
    assert faults_in_trial(replace(METRIC, predicate=event_type("NEVER"))) == []
