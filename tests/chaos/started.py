"""A part of the platform in a process of its own, as an operator starts it, that may be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rtcdp.runtime.settings import Settings

_LETTERS = 3_000


class StartedPart:
    """`rtcdp COMMAND` with a process group of its own, which is started again and again. What it
    says goes to the file `output`; `variables` are set beside those of this process."""

    def __init__(
        self,
        settings: Settings,
        command: str,
        output: Path,
        variables: Mapping[str, str],
        flags: tuple[str, ...] = (),
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "rtcdp", command),
            *("--data-dir", str(settings.data_dir)),
            *("--log", settings.log_url, "--store", settings.store_url, *flags),
        ]
        self._output = output
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, anew."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._variables},
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, by whosever hand."""
        return self._process is not None and self._process.poll() is not None

    @property
    def said(self) -> str:
        """The end of what it said."""
        return self._output.read_text()[-_LETTERS:]

    def kill(self) -> None:
        """kill -9 of the process alone; what it started has to notice by itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self, patience_s: float) -> None:
        """End it as an operator does, if it runs; it says that all is well."""
        if self._process is not None and not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
            try:
                assert self._process.wait(patience_s) == 0, self.said
            finally:
                self.leave_nothing()

    def leave_nothing(self) -> None:
        """Kill it and what it started, however the test went."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
