"""The independent judge of funnels: how far each attempt comes, by the written rules alone.

From each event that can begin an attempt it follows all ways at once: to each step, the moments in
which it could be taken. Shares no line of code with the product.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rtcdp.verify.event_values import Event, value_in
from rtcdp.verify.judge import holds

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class _Moment:
    """All that happened at one time: of each event the steps (from 1) that it fills."""

    time: int
    events: Sequence[Event]
    fills: Sequence[frozenset[int]]
    is_excluded: bool

    def takes(self, first: int, last: int) -> bool:
        """Whether each of these steps is filled by an event of its own."""
        taken: dict[int, int] = {}

        def place(step: int, tried: set[int]) -> bool:
            for number, steps in enumerate(self.fills):
                if step in steps and number not in tried:
                    tried.add(number)
                    if number not in taken or place(taken[number], tried):
                        taken[number] = step
                        return True
            return False

        return all(place(step, set()) for step in range(first, last + 1))


@dataclass(frozen=True)
class _Attempt:
    """When it was entered, with which step (from 1), how far it came, and when it got there;
    `steps_at` are the times of the steps that are sure."""

    entered: int
    first_step: int
    depth: int
    reached: int
    steps_at: Mapping[int, int]

    @property
    def rank(self) -> tuple[int, int, int, int]:
        return (-self.depth, self.entered, self.first_step, self.reached)


class _Unit:
    """The moments of somebody (or of a session, or of one value of the held fields), in order."""

    def __init__(self, fold: Plain, events: Sequence[Event]) -> None:
        self.fold = fold
        self.steps = range(1, len(fold["steps"]) + 1)
        self.is_strict = fold["order_of_steps"] == "strict"
        self.moments = list(_moments(fold, events))
        self.times = [moment.time for moment in self.moments]
        self.ends = [self._end_after(number) for number in range(len(self.moments))]

    def filling(self, number: int, step: int) -> bool:
        """Whether some event of a moment fills a step."""
        return any(step in steps for steps in self.moments[number].fills)

    def last_within(self, entry: int, number: int) -> int:
        """The last moment in which the step after this moment may be taken."""
        latest = self.ends[number]
        for span, begins in (("step_within_ms", number), ("within_ms", entry)):
            if self.fold[span] is not None:
                latest = min(latest, self.times[begins] + self.fold[span])
        return bisect_right(self.times, latest) - 1

    def _end_after(self, number: int) -> int:
        """When what has come to a moment is ended by an event that is excluded."""
        later = (moment.time for moment in self.moments[number + 1 :] if moment.is_excluded)
        return next(later, self.times[-1])


def attempts_told(fold: Plain, events: Sequence[Event]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Of all that happened to somebody (or in a session, or with one value of the held fields) the
    attempts that are told, by when they were entered: what readers see of each."""
    unit = _Unit(fold, events)
    find = _in_any_order if fold["order_of_steps"] == "any" else _in_order
    attempts = [found for entry in range(len(unit.moments)) for found in find(unit, entry)]
    told = (
        _following(unit, attempts)
        if fold["by"] == "attempt"
        else _farthest(attempts, fold["apart_ms"])
    )
    for attempt in told:
        yield attempt.entered, _shown(unit, attempt)


def _moments(fold: Plain, unit: Sequence[Event]) -> Iterator[_Moment]:
    def time_of(event: Event) -> int:
        time: int = event["timestamp"]
        return time

    for time, at_once in groupby(sorted(unit, key=time_of), key=time_of):
        events = sorted(at_once, key=lambda event: event["eventId"] or "")
        fills = [
            frozenset(n for n, step in enumerate(fold["steps"], 1) if holds(step, event))
            for event in events
        ]
        ends = fold["exclusion"]
        is_excluded = ends is not None and any(holds(ends, event) for event in events)
        # What nobody asks for is nothing, unless nothing may come between.
        if fold["order_of_steps"] == "strict" or is_excluded or any(fills):
            yield _Moment(time, events, fills, is_excluded)


def _in_order(unit: _Unit, entry: int) -> Iterator[_Attempt]:
    """The farthest attempt from a moment, for each step that it may begin with."""
    for first in unit.steps if unit.fold["is_open"] else (1,):
        if not unit.filling(entry, first):
            continue
        reached: dict[int, set[int]] = {step: set() for step in unit.steps}
        reached[first].add(entry)
        depth = time = 0
        for step in unit.steps:
            seen_up_to = dict.fromkeys(unit.steps, 0)
            for number in sorted(reached[step]):
                for last in range(step, len(unit.steps) + 1):
                    if not unit.moments[number].takes(step, last):
                        break
                    if (-last, unit.times[number]) < (-depth, time):
                        depth, time = last, unit.times[number]
                    if last == len(unit.steps):
                        break
                    size = len(unit.moments[number].events)
                    if unit.is_strict and number != entry and size != last - step + 1:
                        # Something of what happened then would have come between.
                        continue
                    begin, end = number + 1, unit.last_within(entry, number) + 1
                    if unit.is_strict:
                        end = min(end, begin + 1)
                    onward = range(max(begin, seen_up_to[last]), end)
                    reached[last + 1].update(n for n in onward if unit.filling(n, last + 1))
                    seen_up_to[last] = max(seen_up_to[last], end)
        known = {first: unit.times[entry], depth: time}
        yield _Attempt(unit.times[entry], first, depth, time, known)


def _in_any_order(unit: _Unit, entry: int) -> Iterator[_Attempt]:
    """From a moment on, when each step is taken first; an event takes the first that it can."""
    taken: dict[int, int] = {}
    for number in range(entry, unit.last_within(entry, entry) + 1):
        for steps in unit.moments[number].fills:
            if steps:
                taken.setdefault(min(steps), unit.times[number])
    if unit.times[entry] in taken.values():
        times = sorted(taken.values())
        known = dict(enumerate(times, 1))
        yield _Attempt(times[0], 1, len(times), times[-1], known)


def _farthest(attempts: Sequence[_Attempt], apart_ms: int) -> list[_Attempt]:
    """Of those that were entered in the same stretch of time, the one that came farthest, or
    earliest."""
    best: dict[int, _Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: each.rank):
        best.setdefault(attempt.entered // apart_ms, attempt)
    return list(best.values())


def _following(unit: _Unit, attempts: Sequence[_Attempt]) -> list[_Attempt]:
    """Each begins when the one before it has converted, was ended, or had no more time."""
    chosen: list[_Attempt] = []
    free_from: float = float("-inf")
    for attempt in sorted(attempts, key=lambda each: (each.entered, *each.rank)):
        if attempt.entered < free_from:
            continue
        chosen.append(attempt)
        if attempt.depth == len(unit.steps):
            free_from = attempt.reached + 1
            continue
        ended = [m.time for m in unit.moments if m.is_excluded and m.time > attempt.entered]
        within = unit.fold["within_ms"]
        over = float("inf") if within is None else attempt.entered + within + 1
        free_from = min([over, *ended])
    return chosen


def _shown(unit: _Unit, attempt: _Attempt) -> dict[str, Any]:
    """What readers see; of the steps in between, all times at which they could be taken."""
    shown: dict[str, Any] = {"entered_step": attempt.first_step, "depth": attempt.depth}
    is_any = unit.fold["order_of_steps"] == "any"
    for step in unit.steps:
        at: Any = attempt.steps_at.get(step)
        if at is None and attempt.first_step < step < attempt.depth:
            at = frozenset(
                time
                for number, time in enumerate(unit.times)
                if attempt.entered <= time <= attempt.reached and unit.filling(number, step)
            )
        shown[f"at_{step}"] = at
    if unit.fold["breakdown"] is not None:
        at = {"first": attempt.first_step, "last": attempt.depth}.get(
            unit.fold["breakdown_at"], unit.fold["breakdown_at"]
        )
        when = shown[f"at_{at}"]
        times = when if isinstance(when, frozenset) else {when}
        shown["breakdown"] = frozenset(
            value_in(unit.fold["breakdown"], event)
            for moment in unit.moments
            for event, steps in zip(moment.events, moment.fills, strict=True)
            if moment.time in times and (steps if is_any else at in steps)
        ) or frozenset([None])
    return shown
