"""How far along a list of steps one comes from each moment, and the times of the steps.

For a target step, the earliest time at which it can be reached is computed backwards, from the last
step to the first. Where a later moment reaches the target at all, an earlier one that does so as
well reaches it no later; so the next moment that reaches it is the best one to go on with.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcdp.folds.moments import NEVER, NOWHERE, Moments
from rtcdp.folds.segments import Flags, Ints


@dataclass(frozen=True)
class Limits:
    """What a chain of steps must keep to: the time for all of it and from one step to the next (ms;
    None: any), and whether nothing may happen in between."""

    within_ms: int | None
    step_within_ms: int | None
    is_strict: bool


@dataclass(frozen=True)
class _Leg:
    """From each moment, as the one that fills a step: when the target is reached at the earliest,
    the last step that the moment fills on the way, and the moment that goes on, if that is not the
    target."""

    reached_at: Ints
    last_step: npt.NDArray[np.int8]
    onward: Ints


_COLUMNS = ("moments", "first_steps", "last_steps", "places")


@dataclass(frozen=True)
class Attempts:
    """One attempt a row: the moment and the step (from 0) that it begins with, the farthest step
    that it reaches, and the moments of all steps, a row each (NOWHERE where it has none)."""

    moments: Ints
    first_steps: Ints
    last_steps: Ints
    places: Ints


def attempts_from(moments: Moments, step_count: int, limits: Limits, *, is_open: bool) -> Attempts:
    """For each moment that can begin an attempt the one that gets farthest; of an open list it may
    begin with any step, and of equals with the earliest one."""
    fills = {(a, b): moments.fills(a, b) for a in range(step_count) for b in range(a, step_count)}
    onward_until = _latest_next(moments, limits)
    is_begun = np.zeros(moments.count, np.bool_)
    found: list[Attempts] = []
    for target in reversed(range(step_count)):
        legs = _legs(moments, fills, target, onward_until, limits.is_strict)
        for step in range(target + 1 if is_open else 1):
            reached_at = legs[step].reached_at
            chosen = np.flatnonzero((reached_at < NEVER) & ~is_begun)
            if limits.within_ms is not None:
                took = reached_at[chosen] - moments.times[chosen]
                chosen = chosen[took <= limits.within_ms]
            is_begun[chosen] = True
            first, last = np.full(len(chosen), step), np.full(len(chosen), target)
            found.append(Attempts(chosen, first, last, _places(legs, chosen, step, step_count)))
    order = np.argsort(np.concatenate([each.moments for each in found]), kind="stable")
    return Attempts(
        *(np.concatenate([getattr(each, name) for each in found])[order] for name in _COLUMNS)
    )


def _latest_next(moments: Moments, limits: Limits) -> Ints | None:
    """Until when the next step must be there, from each moment; None if that is all the same."""
    latest = moments.exclusion_after() if moments.is_excluded.any() else None
    if limits.step_within_ms is None:
        return latest
    by_time = moments.times + limits.step_within_ms
    return by_time if latest is None else np.minimum(latest, by_time)


def _legs(
    moments: Moments,
    fills: dict[tuple[int, int], Flags],
    target: int,
    onward_until: Ints | None,
    is_strict: bool,
) -> dict[int, _Leg]:
    legs: dict[int, _Leg] = {}
    nearest: dict[int, Ints] = {}
    ends = moments.end_of_unit()
    for step in reversed(range(target + 1)):
        reached_at = np.where(fills[step, target], moments.times, NEVER)
        last_step = np.full(moments.count, target, np.int8)
        onward = np.zeros(moments.count, np.int64)
        # Where that leads as far as soon, what can be taken now is not taken later.
        for last in reversed(range(step, target)):
            is_filled = fills[step, last]
            if is_strict and step > 0:
                # Whoever passes through a moment must have used all that happened in it.
                is_filled = is_filled & (moments.sizes == last - step + 1)
            # The few that a step has are looked at alone, and not beside all that happened.
            filled = np.flatnonzero(is_filled)
            if len(filled) == 0:
                continue
            following = legs[last + 1]
            if last not in nearest:
                nearest[last] = moments.nearest(following.reached_at < NEVER)
            place = nearest[last][filled + 1]
            is_there = place < ends[filled]
            if is_strict:
                is_there &= place == filled + 1
            filled, place = filled[is_there], place[is_there]
            reached = following.reached_at[place]
            is_better = reached < reached_at[filled]
            if onward_until is not None:
                is_better &= moments.times[place] <= onward_until[filled]
            filled, place = filled[is_better], place[is_better]
            reached_at[filled], last_step[filled] = reached[is_better], last
            onward[filled] = place
        legs[step] = _Leg(reached_at, last_step, onward)
    return legs


def _places(legs: dict[int, _Leg], begun: Ints, first_step: int, step_count: int) -> Ints:
    """The moments of the steps of attempts that begin in the moments `begun`."""
    places = np.full((len(begun), step_count), NOWHERE)
    place = begun.copy()
    step = np.full(len(begun), first_step)
    for current, leg in sorted(legs.items()):
        here = np.flatnonzero(step == current)
        last = leg.last_step[place[here]]
        for filled in range(current, step_count):
            within = here[filled <= last]
            places[within, filled] = place[within]
        place[here], step[here] = leg.onward[place[here]], last + 1
    return places


def any_order_from(moments: Moments, step_count: int, limits: Limits) -> Attempts:
    """For each moment that fills a step, how many steps are filled from it on, in any order; each
    event fills the first step that it can. The moments are those of the first, second … step."""
    reachable = np.full((moments.count, step_count), moments.count)
    lowest = moments.masks & -moments.masks
    until = moments.exclusion_after()
    if limits.within_ms is not None:
        until = np.minimum(until, moments.times + limits.within_ms)
    times = np.append(moments.times, NEVER)
    begins = np.zeros(moments.count, np.bool_)
    for step in range(step_count):
        fills = np.logical_or.reduceat(lowest == 1 << step, moments.firsts)
        begins |= fills
        place = moments.next_of(fills, itself=True)
        reachable[:, step] = np.where(times[place] <= until, place, moments.count)
    begun = np.flatnonzero(begins)
    found = np.sort(reachable[begun], axis=1)
    last = (found < moments.count).sum(axis=1) - 1
    places = np.where(found < moments.count, found, NOWHERE)
    return Attempts(begun, np.zeros(len(begun), np.int64), last, places)
