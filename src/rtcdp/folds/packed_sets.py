"""Small sets of values inside a row: the smallest of their hashes, as text that is joined exactly.

Each member is a comma and 16 hexadecimal digits, in order; so the text is the same whatever came
first, and its length tells how many there are. Which members are kept depends on the set alone.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh

from rtcdp.folds.segments import Ints

MEMBER_CHARACTERS = 17
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)

Hashes = npt.NDArray[np.uint64]


def hashed(texts: pl.Series) -> pl.Series:
    """The 64-bit hash of each text; null stays null."""
    frame = pl.DataFrame({"text": texts})
    hashes = plh.col("text").nchash.xxhash64()
    return frame.select(pl.when(pl.col("text").is_not_null()).then(hashes))["text"]


def joined(groups: Ints, packed: pl.Series, hashes: pl.Series, members_max: int) -> pl.DataFrame:
    """The sets of all groups that have members, as `group`, `packed` and `size`, by group.

    Each row brings a packed set to its group, or a single hash, or neither (null); groups are given
    in order.
    """
    rows = pl.DataFrame({"group": groups, "packed": packed, "hash": hashes})
    sets = rows.filter(pl.col("packed").is_not_null()).select("group", "packed")
    single = rows.filter(pl.col("hash").is_not_null()).select("group", "hash")
    alone = sets.filter(sets["group"].is_unique())
    new = _not_among(single, alone, members_max)
    is_mended = ~sets["group"].is_in(alone["group"].implode()) | sets["group"].is_in(
        new["group"].unique().implode()
    )
    mended = sets.filter(is_mended)
    repacked = _packed(
        np.append(_repeated(mended), new["group"].to_numpy()),
        np.append(unpacked(mended["packed"]), new["hash"].to_numpy()),
        members_max,
    )
    size = pl.col("packed").str.len_bytes().cast(pl.Int64) // MEMBER_CHARACTERS
    both = pl.concat([sets.filter(~is_mended), repacked]).sort("group")
    return both.with_columns(size.alias("size"))


def unpacked(texts: pl.Series) -> Hashes:
    """The members of all these sets, one after another."""
    if texts.is_empty():
        return np.zeros(0, np.uint64)
    characters = np.frombuffer(texts.str.join("")[0].encode(), np.uint8)
    digits = characters.reshape(-1, MEMBER_CHARACTERS)[:, 1:]
    values = np.where(digits > ord("9"), digits - (ord("a") - 10), digits - ord("0"))
    pairs = (values[:, ::2] << 4 | values[:, 1::2]).astype(np.uint8)
    return np.ascontiguousarray(pairs).view(">u8").astype(np.uint64)[:, 0]


def _characters_of(hashes: Hashes) -> npt.NDArray[np.uint8]:
    """The text of each hash, as a row of characters."""
    pairs = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    characters = np.empty((len(hashes), MEMBER_CHARACTERS), np.uint8)
    characters[:, 0] = ord(",")
    characters[:, 1::2], characters[:, 2::2] = _DIGITS[pairs >> 4], _DIGITS[pairs & 15]
    return characters


def _texts_of(characters: npt.NDArray[np.uint8], counts: Ints) -> pl.Series:
    """Texts of so many members each, one after another."""
    lengths = counts * MEMBER_CHARACTERS
    places = pl.DataFrame({"start": np.cumsum(lengths) - lengths, "length": lengths})
    cut = pl.lit(characters.tobytes()).bin.slice(pl.col("start"), pl.col("length"))
    return places.select(cut.cast(pl.String))[:, 0]


def _not_among(single: pl.DataFrame, alone: pl.DataFrame, members_max: int) -> pl.DataFrame:
    """The single hashes that their group's set lacks, and has or makes room for."""
    if single.is_empty() or alone.is_empty():
        return single
    beside = single.join(alone, on="group", how="left", maintain_order="left")
    text = _texts_of(_characters_of(single["hash"].to_numpy()), np.ones(single.height, np.int64))
    beside = beside.with_columns(text.alias("text"))
    is_there = pl.col("packed").str.contains(pl.col("text"), literal=True)
    is_full = pl.col("packed").str.len_bytes() >= members_max * MEMBER_CHARACTERS
    is_beyond = is_full & (pl.col("text") > pl.col("packed").str.slice(-MEMBER_CHARACTERS))
    return beside.filter(~(is_there | is_beyond).fill_null(False)).select("group", "hash")


def _repeated(sets: pl.DataFrame) -> Ints:
    """The group of each member."""
    sizes = sets["packed"].str.len_bytes().to_numpy() // MEMBER_CHARACTERS
    return np.repeat(sets["group"].to_numpy(), sizes)


def _packed(groups: Ints, hashes: Hashes, members_max: int) -> pl.DataFrame:
    """The smallest members of each group, as one text a group."""
    order = np.lexsort((hashes, groups))
    groups, hashes = groups[order], hashes[order]
    is_other = np.append(True, (groups[1:] != groups[:-1]) | (hashes[1:] != hashes[:-1]))
    is_other = is_other[: len(groups)]
    groups, hashes = groups[is_other], hashes[is_other]
    begins = np.append(True, groups[1:] != groups[:-1])[: len(groups)]
    firsts = np.flatnonzero(begins)
    is_kept = np.arange(len(groups)) - firsts[np.cumsum(begins) - 1] < members_max
    groups, hashes = groups[is_kept], hashes[is_kept]
    counts = np.minimum(np.diff(np.append(firsts, len(begins))), members_max)
    packed = _texts_of(_characters_of(hashes), counts)
    return pl.DataFrame({"group": groups[np.cumsum(counts) - counts], "packed": packed})
