"""Who imports a file first: whoever brings the same one meanwhile waits."""

import time
from collections.abc import Callable

from rtcdp.intake.collector import Collector
from rtcdp.intake.problem import RequestRefused
from rtcdp.log.contract import Claim

_POLL_S = 0.05


def claimed(collector: Collector, key: str, check: Callable[[], None]) -> Claim:
    """The claim on what `key` names, waited for as long as a body may rest. `check` is called all
    the while, and may raise.

    Raises `RequestRefused` (503) when somebody else has it for longer, or nobody can.
    """
    limits = collector.limits
    deadline = time.monotonic() + limits.body_timeout_s
    while (claim := collector.try_claim(key)) is None:
        check()
        if time.monotonic() >= deadline:
            raise RequestRefused(
                "import_under_way",
                "send the file again when the other one, which begins with the same line, is in: "
                "what both have is passed over",
                limits.retry_after_s,
            )
        time.sleep(_POLL_S)
    return claim
