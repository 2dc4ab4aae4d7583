import signal
import threading

import pytest

from rtcdp.runtime.processes.signals import stop_at_signals


@pytest.fixture
def handlers():
    """Puts the signal handlers back after the test."""
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {name: signal.getsignal(name) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.usefixtures("handlers")
def test_signals_ask_to_stop():
    stop = threading.Event()
    stop_at_signals(stop)
    signal.raise_signal(signal.SIGTERM)
    assert stop.is_set()


@pytest.mark.usefixtures("handlers")
def test_a_second_interrupt_is_one():
    stop_at_signals(threading.Event())
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("handlers")
def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = threading.Event()
    stop_at_signals(stop)
    signal.raise_signal(signal.SIGHUP)
    assert not stop.is_set()


@pytest.mark.usefixtures("handlers")
def test_the_first_signal_is_remembered():
    heard = stop_at_signals(threading.Event())
    assert (heard.number, heard.is_interrupt) == (None, False)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert (heard.number, heard.is_interrupt) == (signal.SIGINT, True)
