"""What takes longer than the rest together is a part of `make chaos`."""

from tests.scale import IS_CHAOS

# Two environments and every server are made for it from the package registries.
collect_ignore = [] if IS_CHAOS else ["test_documented_commands.py"]
