"""How a process is asked to stop."""

import signal
import threading

_STOPPING = ("SIGTERM", "SIGINT", "SIGHUP")


def stop_at_signals(stop: threading.Event) -> None:
    """Let SIGTERM, SIGINT and SIGHUP set `stop`; a second SIGINT interrupts as usual.

    A signal that is ignored already (by `nohup`, say) stays so. Call it in the main thread.
    """

    def on_signal(number: int, _: object) -> None:
        stop.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for name in _STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
