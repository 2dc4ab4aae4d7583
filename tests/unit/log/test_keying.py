"""Keys are spread over partitions as Kafka's producers do it."""

import polars as pl

from rtcdp.log.keying import partitions_of_keys


def test_keys_are_spread_as_kafka_spreads_them():
    """These are hashes that Kafka's client for Java is known to give."""
    hashes = {
        "21": -973932308,
        "foobar": -790332482,
        "a-little-bit-long-string": -985981536,
        "a-little-bit-longer-string": -1486304829,
        "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        "abc": 479470107,
    }
    spread = partitions_of_keys(pl.Series(list(hashes)), 2**31 - 1)
    assert spread.tolist() == [value % 2**31 % (2**31 - 1) for value in hashes.values()]


def test_no_keys_have_no_partitions():
    assert partitions_of_keys(pl.Series([], dtype=pl.String), 3).tolist() == []
