import threading

from rtcdp.cli.watch import ledger_totals, watch
from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.runtime.parts import log_writer
from rtcdp.runtime.processing import run_processor
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.supervisor import PartCommand, Supervisor


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
