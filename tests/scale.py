"""How large a randomised test is: small in `make test`, large in `make chaos`."""

import os

IS_CHAOS = os.environ.get("RTCDP_CHAOS") == "1"


def scaled(usual: int, *, chaos: int) -> int:
    """How many seeds, documents or kills."""
    return chaos if IS_CHAOS else usual
