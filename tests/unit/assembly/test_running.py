import signal
import threading

import pytest

from rtcdp.assembly.parts import log_writer, store_of
from rtcdp.assembly.running import run_generator, run_processor, stop_at_signals
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.log import Delivery
from rtcdp.settings import Settings


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


def test_a_processor_that_is_told_to_stop_counts_what_is_in_the_log_first(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(b"", 0, 1, rejects=((0, b"nonsense"),))])
    stop = threading.Event()
    stop.set()
    run_processor(settings, SystemClock(), stop)
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["dead_letter"] == 1


def test_a_generator_needs_an_address(tmp_path):
    with pytest.raises(UsageError, match="ftp"):
        run_generator(Settings(data_dir=tmp_path), SystemClock(), threading.Event(), "ftp://x")
