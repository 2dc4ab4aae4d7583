"""How a process is asked to stop."""

import signal
import threading
from dataclasses import dataclass

_STOPPING = ("SIGTERM", "SIGINT", "SIGHUP")


@dataclass
class Heard:
    """The first signal that asked to stop; None while there was none."""

    number: int | None = None

    @property
    def is_interrupt(self) -> bool:
        """Was it Ctrl-C?"""
        return self.number == signal.SIGINT


def stop_at_signals(stop: threading.Event) -> Heard:
    """Let SIGTERM, SIGINT and SIGHUP set `stop`; a second SIGINT interrupts as usual.

    A signal that is ignored already (by `nohup`, say) stays so. Call it in the main thread.
    Returns what will have been heard.
    """
    heard = Heard()

    def on_signal(number: int, _: object) -> None:
        stop.set()
        heard.number = number if heard.number is None else heard.number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for name in _STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    return heard
