import io
import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.generating import (
    STANDARD_OUTPUT,
    Traffic,
    collector_sink,
    file_sink,
    generate,
    run_generator,
)
from rtcdp.runtime.settings import Settings
from rtcdp.sources.sender import CollectorAddress
from rtcdp.sources.synthetic.dials import Dials

SETTINGS = Settings(rate=50, users=3)
ALL_AT_ONCE = Traffic(lines=200, paced=False, seed=1, dials=Dials(malformed=0.5))


def written(path: Path, traffic: Traffic = ALL_AT_ONCE) -> list[bytes]:
    """The lines of a run that starts at a time that is always the same."""
    with file_sink(path) as sink:
        generate(SETTINGS, traffic, sink, ManualClock(1_000_000), threading.Event())
    return path.read_bytes().splitlines()


def test_the_same_seed_at_the_same_time_makes_the_same(tmp_path):
    lines = written(tmp_path / "a")
    assert len(lines) == 200
    assert lines == written(tmp_path / "b")
    assert lines != written(tmp_path / "c", replace(ALL_AT_ONCE, seed=2))


def test_it_ends_at_its_end_and_says_what_it_made(tmp_path):
    with file_sink(tmp_path / "a") as sink:
        report = generate(SETTINGS, ALL_AT_ONCE, sink, SystemClock(), threading.Event())
    assert (report.total, report.counts.malformed) == (200, 100)


def test_what_goes_to_standard_output_is_bytes(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, write_through=True))
    with file_sink(STANDARD_OUTPUT) as sink:
        sink.write([b"\xff"])
    assert raw.getvalue() == b"\xff\n"


def test_a_full_disk_is_a_missing_part_with_its_name(tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(PartMissing, match="full can't be written: No space left"):
        written(full)


def test_a_reader_that_has_gone_is_no_fault_of_the_output(tmp_path):
    with pytest.raises(BrokenPipeError), file_sink(tmp_path / "a"):
        raise BrokenPipeError


def test_a_generator_needs_an_address():
    with (
        pytest.raises(UsageError, match="ftp"),
        collector_sink(CollectorAddress(base_url="ftp://x"), SystemClock(), threading.Event()),
    ):
        pass


def test_a_part_that_is_told_to_stop_ends_though_nobody_answers(tmp_path):
    stop = threading.Event()
    stop.set()
    run_generator(Settings(data_dir=tmp_path, port=9), SystemClock(), stop)


def test_requests_are_not_told_of_one_by_one():
    address = CollectorAddress(base_url="http://127.0.0.1:9")
    with collector_sink(address, SystemClock(), threading.Event()):
        assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
