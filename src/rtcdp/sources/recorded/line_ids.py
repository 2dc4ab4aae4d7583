"""An id for each line of a recorded file, which a repetition has again.

It is made of the file's name, the line's number and all text up to the line's end. So a file that
is replayed again, also after it has grown, gives the same ids; equal lines of one file have
different ones, and so have lines of another file of that name.

The text is summed up by adding a hash (XXH3) of each line, mixed with its place by the finalizer of
SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): that is
one pass over a column.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import xxhash

from rtcdp.events.columns import split_lines

_MAX_NAME_LENGTH = 60
_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Hashes = npt.NDArray[np.uint64]


class LineIds:
    """Gives ids, line by line or many lines at once, in the order of the file."""

    def __init__(self, name: str) -> None:
        full = name.encode(errors="replace")
        self._name = full.decode()[:_MAX_NAME_LENGTH]
        self._sum = xxhash.xxh3_64_intdigest(full)

    def next(self, number: int, text: bytes) -> str:
        """The id of line `number`, counted from 1, without its line break."""
        self._sum = (self._sum + _of_line(number, xxhash.xxh3_64_intdigest(text))) & _MASK
        return f"{self._name}:{number}:{self._sum:016x}"

    def pass_over(self, number: int, lines: pl.Series) -> Hashes:
        """Go on behind these lines, of which the first has this number; gives what `called` needs
        to tell their ids."""
        hashes = _hashes(lines)
        numbers = np.arange(number, number + len(hashes), dtype=np.uint64)
        sums = np.cumsum(_mixed(_mixed(numbers * np.uint64(_STEP)) ^ hashes))
        sums += np.uint64(self._sum)
        self._sum = int(sums[-1])
        return sums

    def called(self, number: int, sums: Hashes) -> pl.Series:
        """The ids of lines that were passed over."""
        digits = split_lines((sums.astype(">u8").tobytes().hex("\n", 8) + "\n").encode())
        frame = pl.DataFrame([digits.alias("digits")]).with_row_index("number", number)
        text = pl.concat_str(
            pl.lit(f"{self._name}:"),
            pl.col("number").cast(pl.String),
            pl.lit(":"),
            pl.col("digits"),
        )
        return frame.select(text.alias("id"))["id"]


def _hashes(lines: pl.Series) -> Hashes:
    frame = pl.DataFrame([lines.alias("line")])
    hashes: Hashes = frame.select(plh.col("line").nchash.xxh3_64())["line"].to_numpy()
    return hashes


def _of_line(number: int, line_hash: int) -> int:
    return _mixed_word(_mixed_word(number * _STEP & _MASK) ^ line_hash)


def _mixed(words: Hashes) -> Hashes:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FACTORS[0])
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_FACTORS[1])
    return words ^ (words >> np.uint64(31))


def _mixed_word(word: int) -> int:
    word = (word ^ (word >> 30)) * _FACTORS[0] & _MASK
    word = (word ^ (word >> 27)) * _FACTORS[1] & _MASK
    return word ^ (word >> 31)
