"""The rules of admission that were in force, each from an epoch on."""

from typing import Annotated

import msgspec

from rtcdp.answers.freshness import Installation, open_reading


class RulesQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of the history."""

    limit: Annotated[int, msgspec.Meta(description="how many, newest first", ge=1, le=1000)] = 100


class RulesItem(msgspec.Struct):
    """What decided every record from `from_epoch` on, in milliseconds."""

    from_epoch: int
    allowed_lateness_ms: int
    max_clock_skew_ms: int
    dedup_window_ms: int


class RulesPage(msgspec.Struct, omit_defaults=True):
    """The history of the rules, newest first."""

    items: list[RulesItem]
    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


def rules_page(installation: Installation, question: RulesQuestion) -> RulesPage:
    """The newest `limit` entries. Raises `StoreUnavailable`."""
    with open_reading(installation) as reading:
        history = list(reading.snapshot.admission_rules())
    newest = sorted(history, key=lambda entry: entry.from_epoch, reverse=True)
    return RulesPage(
        items=[
            RulesItem(
                entry.from_epoch,
                entry.rules.allowed_lateness_ms,
                entry.rules.max_clock_skew_ms,
                entry.rules.dedup_window_ms,
            )
            for entry in newest[: question.limit]
        ],
        **reading.freshness.fields,
    )
