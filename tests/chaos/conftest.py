"""What is too long for every test run."""

from tests.scale import IS_CHAOS

ONLY_IN_CHAOS = [
    # A month of a million shoppers, made up, counted and judged twice.
    "test_labelled_month.py",
    # A real schema registry, which takes longer to fetch than to ask.
    "test_foreign_producers.py",
    # Ten minutes of collectors and processors that are killed in turn.
    "test_shards_killed.py",
    # A server and its replica.
    "test_replica.py",
    # A flood that takes two minutes, and the machine for itself.
    "edge/test_overload.py",
]

collect_ignore = [] if IS_CHAOS else ONLY_IN_CHAOS
