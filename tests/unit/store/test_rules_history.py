"""The history of the rules: an entry for each change that has decided something."""

from rtcdp.admission.rules import AdmissionRules
from rtcdp.store import Progress, RulesInForce
from rtcdp.store.rules import rules_after, rules_replaced

A, B = AdmissionRules(), AdmissionRules(dedup_window_ms=1)
AT_4 = Progress(epoch=4, next_offsets={0: 9})


def test_other_rules_are_a_new_entry() -> None:
    history = rules_after([RulesInForce(1, {}, A)], AT_4, B)
    assert history == (RulesInForce(1, {}, A), RulesInForce(5, {0: 9}, B))
    assert rules_replaced(history, AT_4) == A
    assert rules_replaced(history, Progress(epoch=5)) is None


def test_the_same_rules_are_none() -> None:
    history = (RulesInForce(1, {}, A),)
    assert rules_after(history, AT_4, A) == history
    assert rules_replaced(history, AT_4) is None


def test_an_entry_that_decided_nothing_makes_room() -> None:
    history = (RulesInForce(1, {}, A), RulesInForce(5, {0: 9}, B))
    assert rules_after(history, AT_4, A) == history[:1]


def test_what_a_store_of_before_decided_by_is_not_known() -> None:
    assert rules_after((), AT_4, A) == (RulesInForce(5, {0: 9}, A),)
    assert rules_replaced((RulesInForce(5, {0: 9}, A),), AT_4) is None
