"""What is a part of `make chaos` alone."""

from tests.scale import IS_CHAOS

ONLY_IN_CHAOS = [
    # Two environments and every server are made for it from the package registries.
    "test_documented_commands.py",
]

collect_ignore = [] if IS_CHAOS else ONLY_IN_CHAOS
