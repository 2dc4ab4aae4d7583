"""The history of the rules of admission: what an entry more makes of it, in every store alike."""

from collections.abc import Sequence

from rtcdp.events.rules import AdmissionRules
from rtcdp.store.store import Progress, RulesInForce

History = tuple[RulesInForce, ...]


def rules_after(
    history: Sequence[RulesInForce], progress: Progress, rules: AdmissionRules
) -> History:
    """The history with `rules` in force from the next epoch on. An entry that has decided nothing
    makes room, and the same rules are no new entry."""
    decided = tuple(entry for entry in history if entry.from_epoch <= progress.epoch)
    if decided and decided[-1].rules == rules:
        return decided
    return (*decided, RulesInForce(progress.epoch + 1, dict(progress.next_offsets), rules))


def rules_replaced(history: History, progress: Progress) -> AdmissionRules | None:
    """The rules that decided until now, where others come into force with the next epoch."""
    if len(history) < 2 or history[-1].from_epoch <= progress.epoch:
        return None
    return history[-2].rules
