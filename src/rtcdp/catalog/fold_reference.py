"""What the docs say of a fold, written from its definition."""

from rtcdp.definitions import Fold, Step, predicate_in_words, span_in_words
from rtcdp.events.derived import field_in_words
from rtcdp.folds.funnels import Funnel
from rtcdp.folds.joins import WAITING, IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.recommendation_outcomes import RecommendationOutcomes
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions

_ORDERS = {
    "ordered": "in this order",
    "strict": "in this order, with nothing between",
    "any": "in any order",
}


def fold_rows_of(fold: Fold) -> dict[str, str]:
    """What the docs say of one fold: labels, each with its words."""
    view = fold.table.view
    assert view is not None, "a fold has a view"
    ask, command = _asked_by(fold)
    return {
        "Tells": "<br>".join(fold_in_words(fold.step)),
        "One row per": " and ".join((f"`{fold.key}`", *(f"`{name}`" for name in fold.step.order))),
        "Says": "<br>".join(f"`{each.field}`: {_small(each.says)}" for each in view.columns),
        "Ask": ask,
        "Command": command,
        "SQL": f"the view `{fold.name}`",
    }


def fold_in_words(step: Step) -> list[str]:
    """What a step computes, a sentence a line."""
    match step:
        case Sessions():
            return _of_sessions(step)
        case Funnel():
            return _of_funnel(step)
        case Retention():
            return _of_retention(step)
        case Paths():
            return _of_paths(step)
        case ProductSessions():
            return _of_products(step)
        case IntervalJoin():
            return _of_join(step)
        case RecommendationOutcomes():
            return _of_outcomes(step)
        case _:
            return [f"what `{type(step).__name__}` makes of a story"]


def _asked_by(fold: Fold) -> tuple[str, str]:
    name = fold.name
    match fold.step:
        case Sessions():
            which = "" if name == "sessions" else f"?fold={name}"
            flag = "" if name == "sessions" else f" --fold {name}"
            ask = f"`GET /api/sessions{which}`, `GET /api/sessions/days{which}`"
            return ask, f"`rtcdp sessions{flag}`, `rtcdp sessions --days{flag}`"
        case Funnel():
            ask = f"`GET /api/funnels/{name}`, `GET /api/funnels/{name}/people?step=2`"
            return ask, f"`rtcdp funnel {name}`, `rtcdp funnel {name} --people --step 2`"
        case Retention():
            return f"`GET /api/retention/{name}`", f"`rtcdp retention {name}`"
        case Paths():
            return f"`GET /api/paths/{name}`", f"`rtcdp paths {name}`"
        case IntervalJoin():
            ask = f"`GET /api/joins/{name}`, `GET /api/joins/{name}/totals`"
            return ask, f"`rtcdp joins {name}`, `rtcdp joins {name} --list`"
        case _:
            return f"`GET /api/folds/{name}`", "–"


def _of_sessions(step: Sessions) -> list[str]:
    said = [f"events less than {span_in_words(step.gap_ms)} apart"]
    if step.by == "client":
        said = [f"events of one `sessionId`; those without one, if {said[0][7:]}"]
    said.append(f"{span_in_words(step.longest_ms)} long at most")
    if step.exclude:
        said.append(f"without {', '.join(f'`{each}`' for each in step.exclude)}")
    if step.midnight is not None:
        said.append(f"ending at midnight in {step.midnight}")
    if step.campaign is not None:
        said.append(f"ending where {field_in_words(step.campaign)} changes")
    return [*said, f"converted by {predicate_in_words(step.conversion)}"]


def _of_funnel(step: Funnel) -> list[str]:
    said = [
        f"{number}. {each.name}: {predicate_in_words(each.events)}"
        for number, each in enumerate(step.steps, 1)
    ]
    said.append(_ORDERS[step.order_of_steps] + ("; people may enter at any step" * step.is_open))
    if step.within_ms is not None:
        said.append(f"within {span_in_words(step.within_ms)}")
    if step.step_within_ms is not None:
        said.append(f"{span_in_words(step.step_within_ms)} from step to step at most")
    if step.hold:
        said.append(f"with one {' and one '.join(map(field_in_words, step.hold))} throughout")
    if step.exclusion is not None:
        said.append(f"ended by {predicate_in_words(step.exclusion)}")
    if step.breakdown is not None:
        said.append(f"told apart by {field_in_words(step.breakdown)}")
    return [*said, f"counted by {step.by}"]


def _of_retention(step: Retention) -> list[str]:
    first = "everybody's first" if step.cohort == "first" else f"the first in every {step.unit}"
    clock = f"{step.unit}s of {step.time_zone}"
    if step.clock == "rolling":
        clock = f"whole {step.unit}s from the start itself"
    return [
        f"started by {first} of {_of(predicate_in_words(step.start))}",
        f"back by {predicate_in_words(step.returning)}",
        f"{step.periods} {clock}",
    ]


def _of_paths(step: Paths) -> list[str]:
    said = [
        f"{field_in_words(step.node)} of {predicate_in_words(step.events)}, in each {step.by}",
        f"{step.nodes_max} at most{', the same again at once left out' * step.collapse}",
    ]
    if step.from_event is not None:
        said.append(f"from the first of {_of(predicate_in_words(step.from_event))} on")
    if step.to_event is not None:
        said.append(f"up to {_of(predicate_in_words(step.to_event))}")
    return said


def _of_products(step: ProductSessions) -> list[str]:
    apart = span_in_words(step.sessions.gap_ms)
    return [
        f"`productId` of {predicate_in_words(step.events)}, of such less than {apart} apart",
        f"the last {step.products_max}, the same again at once told once",
        f"in the cart by {predicate_in_words(step.cart)}",
        f"bought by {predicate_in_words(step.bought)}",
    ]


def _of_outcomes(step: RecommendationOutcomes) -> list[str]:
    return [
        "each recommendation that an event names, up to "
        f"{span_in_words(step.within_ms)} after it was given",
        f"shown by {predicate_in_words(step.shown_by)}",
        f"bought by {predicate_in_words(step.bought)}",
    ]


def _of_join(step: IntervalJoin) -> list[str]:
    same = "".join(f", with the same {field_in_words(field)}" for field in step.on)
    matched, unmatched = step.outcomes
    return [
        f"each of {_of(predicate_in_words(step.left))}",
        f"with the nearest after it of {_of(predicate_in_words(step.right))}{same}",
        f"within {span_in_words(step.within_ms)}",
        f"{matched}, or {WAITING}, or in the end {unmatched}",
    ]


def _of(words: str) -> str:
    """What follows "the first of": every event is all events there."""
    return "all events" if words == "every event" else words


def _small(says: str) -> str:
    return says[0].lower() + says[1:]
