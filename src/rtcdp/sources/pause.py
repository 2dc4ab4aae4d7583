"""Waiting, passed in like the clock, so that tests need not wait and a run can be stopped."""

from collections.abc import Callable

Pause = Callable[[float], bool]
"""Waits that many seconds. True means: stop now. The `wait` of a `threading.Event` is one."""
