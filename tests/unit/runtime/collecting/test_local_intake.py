import logging
import threading

import pytest

from rtcdp.clock import SystemClock
from rtcdp.intake.problem import RequestRefused
from rtcdp.runtime.collecting.local_intake import PatientSink, local_sink
from rtcdp.runtime.parts import log_reader
from rtcdp.runtime.settings import Settings
from rtcdp.sources.sinks import Receipt

EVENT = b'{"eventId":"e1","userId":"ada","timestamp":0,"eventType":"PAGE_VIEW"}'


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def write(settings: Settings, *lines: bytes, source: str = "shop") -> Receipt:
    with local_sink(settings, SystemClock(), source) as sink:
        return sink.write(lines)


def test_good_and_bad_lines_are_in_the_log_as_imported_ones(settings):
    receipt = write(settings, EVENT, b"nonsense")
    assert (receipt.accepted, receipt.rejected) == (1, 1)
    with log_reader(settings) as reader:
        records = list(reader.read(0, 0, 2**20).each())
    assert [record.raw for record in records] == [EVENT, b"nonsense"]
    assert {(record.source, record.intake) for record in records} == {("shop", "import")}


def test_a_first_line_like_a_byte_order_mark_is_a_line(settings):
    assert write(settings, b"\xef\xbb\xbfx", EVENT).rejected == 1


def test_ids_of_the_run_before_are_known(settings):
    assert write(settings, EVENT).duplicates == 0
    assert write(settings, EVENT).duplicates == 1


def test_a_source_without_a_valid_name_is_refused(settings):
    with pytest.raises(RequestRefused, match="the source has no valid name"):
        write(settings, EVENT, source="Not a name")


class Refusing:
    """A sink of a log that is away: what it answers next, and then that it took the lines."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)

    def write(self, lines):
        if self.refusals:
            raise self.refusals.pop(0)
        return Receipt(accepted=len(lines))

    def close(self):
        pass


AWAY = RequestRefused("log_unavailable", "send the request again later (no broker answers)", 1)


def test_a_log_that_is_away_is_waited_for_and_told_of(caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    sink = PatientSink(Refusing(AWAY, AWAY), SystemClock(), threading.Event())
    assert sink.write([EVENT]) == Receipt(accepted=1, retries=2)
    first, _, last = [record.getMessage() for record in caplog.records]
    assert first == "the log can't take events now: no broker answers; trying again"
    assert last.startswith("back again")


def test_whoever_waits_can_be_stopped():
    stop = threading.Event()
    stop.set()
    sink = PatientSink(Refusing(AWAY), SystemClock(), stop)
    assert sink.write([EVENT]).unconfirmed == 1


def test_what_will_not_pass_is_not_waited_for():
    sink = PatientSink(
        Refusing(RequestRefused("bad_source", "name another")), SystemClock(), threading.Event()
    )
    with pytest.raises(RequestRefused, match="no valid name"):
        sink.write([EVENT])
