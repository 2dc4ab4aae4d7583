import threading

from rich.console import Console

from rtcdp.cli.watch import RateMeter, Rates, ledger_totals, status_line, status_page, watch
from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.runtime.parts import log_writer
from rtcdp.runtime.processes.supervisor import PartCommand, PartStatus, Supervisor
from rtcdp.runtime.processing import run_processor
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.watching import Sample


def test_it_looks_after_the_parts_and_says_how_it_goes_until_it_is_stopped(tmp_path, capsys):
    clock, stop = SystemClock(), threading.Event()

    class Looked(Supervisor):
        def check(self) -> None:
            super().check()
            stop.set()

    supervisor = Looked([PartCommand("http", ("true",))], clock, lambda *_: None)
    watch(Settings(data_dir=tmp_path), supervisor, clock, stop)
    said = capsys.readouterr().out
    assert "received 0 = admitted 0" in said
    assert said.endswith("http (starting)\n")


def test_lines_come_often_at_first_and_seldom_later(tmp_path, capsys):
    clock, stop = ManualClock(), threading.Event()

    class Hurried(Supervisor):
        """Ten minutes go by, half a second with each look."""

        def check(self) -> None:
            clock.advance(500)
            if clock.monotonic() > 600:
                stop.set()

    stop.wait = lambda _: stop.is_set()  # type: ignore[method-assign]
    watch(Settings(data_dir=tmp_path), Hurried([], clock, lambda *_: None), clock, stop)
    assert len(capsys.readouterr().out.splitlines()) == 6 + 9


def test_the_totals_are_those_of_the_ledger(tmp_path):
    settings, clock, stop = Settings(data_dir=tmp_path), SystemClock(), threading.Event()
    with log_writer(settings, clock) as writer:
        writer.append([Delivery(b"", 0, 1, rejects=((0, b"nonsense"),))])
    stop.set()
    run_processor(settings, clock, stop)
    assert ledger_totals(settings, clock)["dead_letter"] == 1


def test_a_store_that_can_not_be_read_has_no_totals(tmp_path):
    (tmp_path / "store.db").write_bytes(b"something else" * 1000)
    assert ledger_totals(Settings(data_dir=tmp_path), SystemClock()) == {}


TOTALS = {"received": 30, "admitted": 30, "duplicate": 0, "late": 0, "dead_letter": 0}
PARTS = [PartStatus("http", 7, 61.0, 0), PartStatus("processor", None, 0.0, 2)]


def test_rates_are_over_the_last_samples():
    meter = RateMeter()
    assert meter.take(Sample(10.0, logged=100)) == Rates()
    assert meter.take(Sample(12.0, logged=140, totals={"admitted": 30})) == Rates(20.0, 15.0)


def test_the_line_says_how_it_goes():
    line = status_line(Sample(1.0, lag_ms=5, totals=TOTALS), Rates(20.04, 3), PARTS, 12.0).plain
    assert line == (
        "12 s: in 20/s, counted 3/s, lag 5 ms; "
        "received 30 = admitted 30 + duplicate 0 + late 0 + dead letter 0 ✓; "
        "http (process 7), processor (starting, 2 restarts)"
    )


def test_the_page_says_where_to_look():
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        console.print(status_page(Sample(1.0, totals=TOTALS), Rates(), PARTS, "http://h:1"))
    text = captured.get()
    for wanted in ("http://h:1/", "POST http://h:1/v1/events", "received 30 =", "1 min", "Ctrl-C"):
        assert wanted in text


def test_what_can_not_be_told_is_not_told_as_nothing():
    sample = Sample(1.0, trouble="the store's file was deleted")
    line = status_line(sample, Rates(), PARTS, 12.0).plain
    assert line.startswith("the store's file was deleted; http (process 7)")
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        console.print(status_page(sample, Rates(), PARTS, "http://h:1"))
    shown = captured.get()
    assert "the store's file was deleted" in shown
    assert "0/s" not in shown
    assert "received 0" not in shown
    meter = RateMeter()
    meter.take(Sample(10.0, logged=100))
    assert meter.take(sample) == Rates()
    assert meter.take(Sample(12.0, logged=140)) == Rates()


def test_the_page_fits_80_columns_and_nothing_of_it_is_cut():
    url = "http://a-machine-with-a-long-name.example:8081"
    console = Console(width=80, record=True, file=None)
    with console.capture() as captured:
        console.print(status_page(Sample(1.0, totals=TOTALS), Rates(), PARTS, url))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in captured.get()
