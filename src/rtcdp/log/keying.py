"""Which partition of a topic a key belongs to: the rule of Java's producers, which ours follow.

It is the murmur2 hash of the key's bytes modulo the number of partitions, as Kafka's
`BuiltInPartitioner.partitionForKey` has it (Appleby's MurmurHash2, 2008, with Kafka's seed), here
for many keys at once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.log.contract import Int64Array

_SEED = np.uint32(0x9747B28C)
_FACTOR = np.uint32(0x5BD1E995)
_SHIFT = np.uint32(24)
_POSITIVE = np.uint32(0x7FFFFFFF)

_Hashes = npt.NDArray[np.uint32]


def partitions_of_keys(keys: pl.Series, partitions: int) -> Int64Array:
    """The partition of each key, of so many partitions. `keys` are texts, none of them null."""
    found = np.zeros(len(keys), np.int64)
    lengths = keys.str.len_bytes().to_numpy()
    for length, places in _by_length(lengths):
        text = keys[places].str.join("").item().encode()
        rows = np.frombuffer(text, np.uint8).reshape(len(places), length)
        found[places] = (_murmur2(rows) & _POSITIVE).astype(np.int64) % partitions
    return found


def _by_length(lengths: npt.NDArray[np.uint32]) -> Iterator[tuple[int, Int64Array]]:
    order = np.argsort(lengths, kind="stable")
    borders = np.flatnonzero(np.diff(lengths[order])) + 1
    for places in np.split(order, borders):
        if len(places):
            yield int(lengths[places[0]]), places


def _murmur2(rows: npt.NDArray[np.uint8]) -> _Hashes:
    """The hash of each row of bytes."""
    count, length = rows.shape
    hashes: _Hashes = np.full(count, _SEED ^ np.uint32(length), np.uint32)
    whole = length // 4 * 4
    words = np.ascontiguousarray(rows[:, :whole]).view("<u4")
    for column in range(whole // 4):
        word = words[:, column] * _FACTOR
        word ^= word >> _SHIFT
        hashes *= _FACTOR
        hashes ^= word * _FACTOR
    if length > whole:
        for place in range(length - whole):
            hashes ^= rows[:, whole + place].astype(np.uint32) << np.uint32(8 * place)
        hashes *= _FACTOR
    hashes ^= hashes >> np.uint32(13)
    hashes *= _FACTOR
    hashes ^= hashes >> np.uint32(15)
    return hashes
