"""Arithmetic on sorted rows that fall into segments (the rows of one key, or of one session).

Everything here takes whole arrays, and passes over them a handful of times; the cost of a row does
not depend on how many rows its segment has.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def numbered(begins: Flags) -> Ints:
    """The number of the segment of each row, from 0 on; `begins` is true at its first row."""
    return np.cumsum(begins) - 1


def first_places(begins: Flags) -> Ints:
    """For each row, the place of the first row of its segment."""
    return np.flatnonzero(begins)[numbered(begins)] if len(begins) else np.zeros(0, np.int64)


def running_max(values: Ints, begins: Flags) -> Ints:
    """The largest value of the segment up to each row, itself among them."""
    largest, place = values.copy(), np.arange(len(values)) - first_places(begins)
    step = 1
    while step < len(values):
        before = np.where(place[step:] >= step, largest[:-step], largest[step:])
        larger = np.maximum(largest[step:], before)
        # What no step of this length changes, no longer one does either.
        if np.array_equal(larger, largest[step:]):
            break
        largest[step:] = larger
        step *= 2
    return largest


def reached(roots: Ints, following: Ints) -> Flags:
    """Which places are reached from the roots by going from each place to `following[place]`, again
    and again, until that is the number of places: "nowhere"."""
    size = len(following)
    is_reached = np.zeros(size + 1, np.bool_)
    is_reached[roots] = True
    jumps = np.append(following, size)
    while True:
        before = int(is_reached.sum())
        is_reached[jumps[np.flatnonzero(is_reached)]] = True
        jumps = jumps[jumps]
        if int(is_reached.sum()) == before:
            return is_reached[:size]


def order_by(numbers: Ints, times: Ints) -> Ints:
    """The places of rows in the order by number and time, of equals as they are.

    Both in one number, where they fit, sort three times as fast: what was read is a row of
    stretches that are in order, which a stable sort of one key finds.
    """
    if len(times) == 0:
        return np.zeros(0, np.int64)
    earliest, last = int(times.min()), int(numbers.max())
    span = int(times.max()) - earliest + 1
    if (last + 1) * span >= 2**63:
        return np.lexsort((times, numbers))
    together = numbers * span + (times - earliest)
    return np.argsort(together, kind="stable")


def search_within(segments: Ints, values: Ints, targets: Ints) -> Ints:
    """For each row, the place of the first row of its segment whose value is at least its target;
    the number of rows where there is none. Rows are sorted by segment and value."""
    size = len(values)
    if size == 0:
        return np.zeros(0, np.int64)
    begins = np.append(True, segments[1:] != segments[:-1])
    firsts, numbers = np.flatnonzero(begins), numbered(begins)
    lasts = np.append(firsts[1:], size) - 1
    # The segments are laid out one behind the other, each as long as its values reach.
    lengths = values[lasts] - values[firsts] + 2
    if float(lengths.sum(dtype=np.float64)) > np.iinfo(np.int64).max / 2:
        raise OverflowError("the times of these events lie too far apart to be compared")
    origins = np.cumsum(lengths) - lengths - values[firsts]
    clipped = np.clip(targets, values[firsts][numbers], values[lasts][numbers] + 1)
    found = np.searchsorted(values + origins[numbers], clipped + origins[numbers])
    inside = found < size
    inside[inside] = numbers[found[inside]] == numbers[inside]
    return np.where(inside, found, size)
