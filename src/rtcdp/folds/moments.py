"""Moments: all that happened to somebody at one time, and which steps of a list it fills.

Equal times count in either order, so what happens at once is looked at together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.definitions import Predicate, to_expression
from rtcdp.folds.rows import in_order
from rtcdp.folds.segments import Flags, Ints, numbered

NEVER = int(np.iinfo(np.int64).max)
NOWHERE = -1

Masks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Moments:
    """Moments by unit and time. `units` numbers whose story each is part of, `sizes` says how many
    events it has, `firsts` where these begin among `events`, which are sorted likewise. `masks` has
    a bit for each step that an event fills, and `is_excluded` tells where an attempt ends."""

    events: pl.DataFrame
    masks: Masks
    firsts: Ints
    units: Ints
    times: Ints
    sizes: Ints
    is_excluded: Flags

    @property
    def count(self) -> int:
        return len(self.times)

    def fills(self, first: int, last: int) -> Flags:
        """In which moments the steps from `first` to `last` are each filled by another event.

        By Hall's theorem that is so where any of these steps, however many, find at least as many
        events together.
        """
        span = range(first, last + 1)
        enough = self.sizes >= len(span)
        for step in span:
            enough &= self._is_filled(step)
        if first == last or not enough.any() or not self._is_ambiguous:
            return enough
        for size in range(2, len(span) + 1):
            for steps in combinations(span, size):
                enough &= self._matching(sum(1 << step for step in steps)) >= size
        return enough

    def event_filling(self, moments: Ints, masks: Masks) -> Ints:
        """The place of the first event, by id, of each moment that fills one of the steps of a
        mask. There must be one."""
        places = np.zeros(len(moments), np.int64)
        everywhere = np.arange(len(self.masks))
        for mask in np.unique(masks):
            is_filling = self.masks & mask != 0
            first = np.minimum.reduceat(np.where(is_filling, everywhere, NEVER), self.firsts)
            chosen = masks == mask
            places[chosen] = first[moments[chosen]]
        return places

    def end_of_unit(self) -> Ints:
        """For each moment, the number of the first one of the next unit."""
        return self._ends

    def exclusion_after(self) -> Ints:
        """When, after each moment and not in it, an attempt is ended."""
        following = self.next_of(self.is_excluded)
        return np.where(following == self.count, NEVER, np.append(self.times, NEVER)[following])

    def next_of(self, is_wanted: Flags, *, itself: bool = False) -> Ints:
        """For each moment the next wanted one of its unit, or the wanted moment `itself`; the
        number of moments where there is none."""
        found = self.nearest(is_wanted)[(0 if itself else 1) :][: self.count]
        return np.where(found < self._ends, found, self.count)

    def nearest(self, is_wanted: Flags) -> Ints:
        """For each place the first wanted moment from there on, of whichever unit; and one place
        more, behind the last moment. The number of moments where there is none."""
        found = np.full(self.count + 1, self.count)
        wanted = np.flatnonzero(is_wanted)
        found[wanted] = wanted
        return np.minimum.accumulate(found[::-1])[::-1]

    @cached_property
    def _ends(self) -> Ints:
        last = np.append(np.flatnonzero(self.units[1:] != self.units[:-1]) + 1, self.count)
        return last[self.units]

    @cached_property
    def _filled(self) -> dict[int, Flags]:
        return {}

    def _is_filled(self, step: int) -> Flags:
        """In which moments an event fills a step."""
        if step not in self._filled:
            fills = self.masks & (1 << step) != 0
            is_single = self.count == len(fills)
            found = fills if is_single else np.logical_or.reduceat(fills, self.firsts)
            self._filled[step] = found
        return self._filled[step]

    def _matching(self, mask: int) -> Ints:
        """How many events of each moment fill one of the steps."""
        fills = (self.masks & mask != 0).astype(np.int64)
        return np.add.reduceat(fills, self.firsts)

    @property
    def _is_ambiguous(self) -> bool:
        """Whether some event could fill two steps."""
        return bool((self.masks & (self.masks - 1)).any())


def moments_of(
    events: pl.DataFrame,
    unit: Sequence[str],
    steps: Sequence[Predicate],
    exclusion: Predicate | None,
) -> Moments:
    """The moments of events; those that have the same values of `unit` are one story. There must be
    at least one event."""
    bits = [
        pl.when(to_expression(step))
        .then(1 << number)
        .otherwise(0)
        .cast(pl.Int64)
        .alias(f"{number}")
        for number, step in enumerate(steps)
    ]
    excludes = pl.lit(False) if exclusion is None else to_expression(exclusion)
    # Events at once that have no id stay as the story tells them, whoever else is in the batch.
    ordered = in_order(events, *unit, "timestamp", "eventId", stable=True)
    flags = ordered.select(pl.sum_horizontal(bits).alias("mask"), excludes.alias("excludes"))
    same_unit = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in unit)
    of_unit = ~ordered.select(same_unit)[:, 0].to_numpy()
    of_unit[0] = True
    times = ordered["timestamp"].to_numpy()
    begins = of_unit.copy()
    begins[1:] |= times[1:] != times[:-1]
    firsts = np.flatnonzero(begins)
    is_excluded = np.full(len(firsts), False)
    if exclusion is not None:
        is_excluded = np.logical_or.reduceat(flags["excludes"].to_numpy(), firsts)
    return Moments(
        events=ordered,
        masks=flags["mask"].to_numpy(),
        firsts=firsts,
        units=numbered(of_unit)[firsts],
        times=times[firsts],
        sizes=np.diff(np.append(firsts, len(times))),
        is_excluded=is_excluded,
    )
