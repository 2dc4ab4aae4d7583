"""What is a part of `make chaos` alone."""

from tests.scale import IS_CHAOS

ONLY_IN_CHAOS = [
    # Two environments and every server are made for it from the package registries.
    "test_documented_commands.py",
    # Known to fail: on a cluster of two workers the ledger differs from that of one process.
    "engines/test_spark_cluster.py",
]

collect_ignore = [] if IS_CHAOS else ONLY_IN_CHAOS
