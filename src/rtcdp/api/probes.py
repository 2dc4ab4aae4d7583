"""Checks of parts that may not answer: each runs in a thread of its own, and is waited for a while.

A server that has gone away often says nothing at all. What asks it waits for many seconds then, and
whoever asks whether this server is ready must not.
"""

import threading
import time
from collections.abc import Callable, Mapping

from rtcdp.errors import RtcdpError


class Probes:
    """The checks that are under way, by name, at most one of each."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._under_way: dict[str, _Probe] = {}

    def results(self, checks: Mapping[str, Callable[[], str]], patience_s: float) -> dict[str, str]:
        """What each check says within `patience_s`, all at once: `ok`, what is wrong, or that it
        has not answered. The text of an `RtcdpError` says what is wrong, too."""
        deadline = time.monotonic() + patience_s
        probes = {name: self._probe(name, check) for name, check in checks.items()}
        return {name: probe.result_by(deadline) for name, probe in probes.items()}

    def _probe(self, name: str, check: Callable[[], str]) -> "_Probe":
        with self._mutex:
            probe = self._under_way.get(name)
            if probe is None or probe.is_over:
                probe = self._under_way[name] = _Probe(check)
                threading.Thread(target=probe.run, name=f"probe-{name}", daemon=True).start()
            return probe


class _Probe:
    """One run of a check."""

    def __init__(self, check: Callable[[], str]) -> None:
        self._check = check
        self._began_at = time.monotonic()
        self._over = threading.Event()
        self._result = ""

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def run(self) -> None:
        try:
            self._result = self._check()
        except RtcdpError as error:
            self._result = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the part is not well
            self._result = repr(error)
        self._over.set()

    def result_by(self, deadline: float) -> str:
        if self._over.wait(max(0.0, deadline - time.monotonic())):
            return self._result
        return f"no answer for {time.monotonic() - self._began_at:.1f} s"
