"""Small sets of values inside a row: the smallest of their hashes, as text that is joined exactly.

Each member is a comma and 16 hexadecimal digits, in order; so the text is the same whatever came
first, and its length tells how many there are. Which members are kept depends on the set alone.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh

from rtcdp.folds.segments import Ints

MEMBER_CHARACTERS = 17
MEMBERS_AT_ONCE = 250_000
"""Sets of so many members together are joined at once, about."""

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)

Hashes = npt.NDArray[np.uint64]
Characters = npt.NDArray[np.uint8]


def hashed(texts: pl.Series) -> pl.Series:
    """The 64-bit hash of each text; null stays null."""
    frame = pl.DataFrame({"text": texts})
    hashes = plh.col("text").nchash.xxhash64()
    return frame.select(pl.when(pl.col("text").is_not_null()).then(hashes))["text"]


def joined(groups: Ints, packed: pl.Series, hashes: pl.Series, members_max: int) -> pl.DataFrame:
    """The sets of all groups that have members, as `group`, `packed` and `size`, by group.

    Each row brings a packed set to its group, or a single hash, or neither (null); groups are given
    in order. Of large sets some groups are joined after others, so that memory has a bound.
    """
    found = [
        _joined(groups[part], packed[part], hashes[part], members_max)
        for part in _parts(groups, packed)
    ]
    size = pl.col("packed").str.len_bytes().cast(pl.Int64) // MEMBER_CHARACTERS
    return pl.concat(found).with_columns(size.alias("size"))


def _parts(groups: Ints, packed: pl.Series) -> Iterator[slice]:
    """Rows of whole groups, about `MEMBERS_AT_ONCE` members together."""
    if len(groups) == 0:
        yield slice(0, 0)
        return
    brought = packed.str.len_bytes().fill_null(0).to_numpy() // MEMBER_CHARACTERS + 1
    ends = np.flatnonzero(np.append(groups[1:] != groups[:-1], True)) + 1
    number = np.cumsum(brought)[ends - 1] // MEMBERS_AT_ONCE
    borders = ends[np.append(number[1:] != number[:-1], True)].tolist()
    yield from (slice(first, last) for first, last in pairwise([0, *borders]))


def _joined(groups: Ints, packed: pl.Series, hashes: pl.Series, members_max: int) -> pl.DataFrame:
    """The same, without `size`."""
    rows = pl.DataFrame({"group": groups, "packed": packed, "hash": hashes})
    if packed.null_count() == hashes.null_count() == rows.height:
        return rows.select("group", "packed").clear()
    sets = rows.filter(pl.col("packed").is_not_null()).select("group", "packed")
    single = rows.filter(pl.col("hash").is_not_null()).select("group", "hash")
    is_alone = sets["group"].is_unique()
    alone, crowded = sets.filter(is_alone), sets.filter(~is_alone)
    has_one = single["group"].is_in(alone["group"].implode())
    others = single.filter(~has_one)
    repacked = _packed(
        np.append(_repeated(crowded), others["group"].to_numpy()),
        np.append(unpacked(crowded["packed"]), others["hash"].to_numpy()),
        members_max,
    )
    return pl.concat([*_grown(alone, single.filter(has_one), members_max), repacked]).sort("group")


def unpacked(texts: pl.Series) -> Hashes:
    """The members of all these sets, one after another."""
    if texts.is_empty():
        return np.zeros(0, np.uint64)
    digits = _joined_characters(texts)[:, 1:]
    values = np.where(digits > ord("9"), digits - (ord("a") - 10), digits - ord("0"))
    pairs = (values[:, ::2] << 4 | values[:, 1::2]).astype(np.uint8)
    return np.ascontiguousarray(pairs).view(">u8").astype(np.uint64)[:, 0]


def _joined_characters(texts: pl.Series) -> Characters:
    """The members of all these sets, one after another, as rows of characters."""
    return np.frombuffer(texts.str.join("")[0].encode(), np.uint8).reshape(-1, MEMBER_CHARACTERS)


def _characters_of(hashes: Hashes) -> Characters:
    """The text of each hash, as a row of characters."""
    pairs = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    characters = np.empty((len(hashes), MEMBER_CHARACTERS), np.uint8)
    characters[:, 0] = ord(",")
    characters[:, 1::2], characters[:, 2::2] = _DIGITS[pairs >> 4], _DIGITS[pairs & 15]
    return characters


def _texts_of(characters: Characters, counts: Ints) -> pl.Series:
    """Texts of so many members each, one after another."""
    lengths = counts * MEMBER_CHARACTERS
    places = pl.DataFrame({"start": np.cumsum(lengths) - lengths, "length": lengths})
    cut = pl.lit(characters.tobytes()).bin.slice(pl.col("start"), pl.col("length"))
    return places.select(cut.cast(pl.String))[:, 0]


def _grown(
    sets: pl.DataFrame, single: pl.DataFrame, members_max: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One set for each group: those that get no single hash, and the others with theirs. These are
    put where they belong among the texts, which are in order; no set is taken apart."""
    if single.is_empty():
        return sets, sets.clear()
    groups, hashes = _each_once(single["group"].to_numpy(), single["hash"].to_numpy())
    is_touched = np.zeros(sets.height, np.bool_)
    is_touched[np.searchsorted(sets["group"].to_numpy(), groups)] = True
    touched = sets.filter(is_touched)
    of_set = np.searchsorted(touched["group"].to_numpy(), groups)
    characters = _joined_characters(touched["packed"])
    counts = touched["packed"].str.len_bytes().to_numpy().astype(np.int64) // MEMBER_CHARACTERS
    firsts = np.cumsum(counts) - counts
    members = _characters_of(hashes)
    places, is_there = _search(characters, firsts[of_set], (firsts + counts)[of_set], members)
    is_new = ~is_there & (places - firsts[of_set] < members_max)
    of_set, places, members = of_set[is_new], places[is_new], members[is_new]
    together = np.empty((len(characters) + len(members), MEMBER_CHARACTERS), np.uint8)
    is_added = np.zeros(len(together), np.bool_)
    is_added[places + np.arange(len(places))] = True
    together[is_added], together[~is_added] = members, characters
    counts = counts + np.bincount(of_set, minlength=len(counts))
    if counts.max() > members_max:
        firsts = np.cumsum(counts) - counts
        together = together[np.arange(len(together)) - np.repeat(firsts, counts) < members_max]
        counts = np.minimum(counts, members_max)
    grown = touched.with_columns(_texts_of(together, counts).alias("packed"))
    return sets.filter(~is_touched), grown


def _search(
    characters: Characters, firsts: Ints, ends: Ints, members: Characters
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """For each member the place, between its `firsts` and its `ends`, of the first one that is no
    less; and whether it is the same."""
    wanted, low, high = _as_texts(members), firsts.copy(), ends.copy()
    open_ = np.flatnonzero(low < high)
    while len(open_):
        middle = (low[open_] + high[open_]) // 2
        is_less = _as_texts(characters[middle]) < wanted[open_]
        low[open_[is_less]] = middle[is_less] + 1
        high[open_[~is_less]] = middle[~is_less]
        open_ = open_[low[open_] < high[open_]]
    is_there = low < ends
    rows = np.flatnonzero(is_there)
    is_there[rows] = _as_texts(characters[low[rows]]) == wanted[rows]
    return low, is_there


def _as_texts(characters: Characters) -> npt.NDArray[np.bytes_]:
    """Members as texts, which are in the order of their hashes."""
    return np.ascontiguousarray(characters).view(f"S{MEMBER_CHARACTERS}")[:, 0]


def _repeated(sets: pl.DataFrame) -> Ints:
    """The group of each member."""
    sizes = sets["packed"].str.len_bytes().to_numpy() // MEMBER_CHARACTERS
    return np.repeat(sets["group"].to_numpy(), sizes)


def _each_once(groups: Ints, hashes: Hashes) -> tuple[Ints, Hashes]:
    """The members of each group in order, without those that come again."""
    order = np.lexsort((hashes, groups))
    groups, hashes = groups[order], hashes[order]
    is_other = np.append(True, (groups[1:] != groups[:-1]) | (hashes[1:] != hashes[:-1]))
    is_other = is_other[: len(groups)]
    return groups[is_other], hashes[is_other]


def _packed(groups: Ints, hashes: Hashes, members_max: int) -> pl.DataFrame:
    """The smallest members of each group, as one text a group."""
    groups, hashes = _each_once(groups, hashes)
    begins = np.append(True, groups[1:] != groups[:-1])[: len(groups)]
    firsts = np.flatnonzero(begins)
    is_kept = np.arange(len(groups)) - firsts[np.cumsum(begins) - 1] < members_max
    groups, hashes = groups[is_kept], hashes[is_kept]
    counts = np.minimum(np.diff(np.append(firsts, len(begins))), members_max)
    packed = _texts_of(_characters_of(hashes), counts)
    return pl.DataFrame({"group": groups[np.cumsum(counts) - counts], "packed": packed})
