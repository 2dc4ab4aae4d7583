"""Whether an installation can keep events for a time of their type, and for how long at least."""

from collections.abc import Sequence

from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.definitions import Fold
from rtcdp.engines.aging import KeptByType, reach_of, whole_stories
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings

SETTING = "privacy.kept_days"


def kept_by_type_of(settings: Settings, folds: Sequence[Fold]) -> KeptByType | None:
    """What `privacy.kept_days` asks of a processor; None where it says nothing.

    Raises `UsageError` where it can't be done, with the reason: the log can't let go of single
    records, a fold needs whole stories, or a type is kept for less than what is still open may
    reach back to.
    """
    kept_ms = settings.privacy.kept_ms
    if not kept_ms:
        return None
    if settings.log_kind != "embedded":
        raise UsageError(
            f"{SETTING} is set, and the log is {settings.log_kind}'s, which can't let go of single"
            " records",
            "give each type of events a topic and an installation of its own, with the topic's"
            f" retention.ms; or leave {SETTING} out",
        )
    if whole := whole_stories(folds):
        raise UsageError(
            f"{SETTING} is set, and {', '.join(whole)} is made of whole stories anew whenever"
            " something is added: it would forget what is kept for no longer",
            f"give the fold a `within`, leave it out of the setting `folds`, or {SETTING} out",
        )
    least_ms, why = _least(settings, folds)
    for name, kept in kept_ms.items():
        if kept < least_ms:
            raise UsageError(
                f"{SETTING} keeps {name} for {kept / DAY_MS:g} days, less than {why}",
                f"give {least_ms / DAY_MS + 0.005:.2f} days at least",
            )
    return KeptByType(kept_ms, settings.processor.erase_again_every_s)


def _least(settings: Settings, folds: Sequence[Fold]) -> tuple[int, str]:
    """How long (ms) an event may still be needed, and what for."""
    rules = settings.admission
    reach_ms = reach_of(folds)
    farthest = max(folds, key=lambda fold: reach_of([fold]), default=None)
    of_stories = reach_ms + HOUR_MS
    of_ids = rules.dedup_window_ms + CLOCK_SLACK_MS
    why = "the window in which ids may come again"
    if farthest is not None and of_stories >= of_ids:
        why = f"what {farthest.name} may still change looks back on"
    return max(of_stories, of_ids) + rules.allowed_lateness_ms, why
