import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.processing.erasure_turns import ErasureTurns
from rtcdp.runtime.user_data.receipts import read_receipt
from rtcdp.runtime.user_data.requests import ErasureRequests
from tests.unit.runtime.small_shop import count, files_with, settings_of, visit

CLOCK = SystemClock()
ADA = "ada@example.org"

KILLED = """
import os, signal, sys, threading
from importlib import import_module
from pathlib import Path
from rtcdp.clock import SystemClock
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

module, name = sys.argv[2].split(":")
setattr(import_module(module), name, die)
settings = Settings(data_dir=Path(sys.argv[1]), folds="none")
with processor_of(settings, SystemClock()) as processor:
    processor.run(threading.Event(), once=True)
"""

IN_ORDER = (
    "rtcdp.engines.native.erasing:finish_erasures",
    "rtcdp.runtime.processing.erasure_turns:receipt_of",
    "rtcdp.runtime.user_data.requests:_wipe",
)
"""Where it is killed, one run after another."""


@pytest.fixture
def shop(tmp_path):
    settings = settings_of(tmp_path / "shop")
    visit(settings, ADA, "bob", ADA)
    return settings


@pytest.fixture
def requests(shop):
    return ErasureRequests(shop.data_dir, CLOCK)


def test_whatever_is_killed_in_between_is_ended_by_the_next_processor(shop, requests):
    asked, _ = requests.ask(ADA, "key 1")
    for place in IN_ORDER:
        done = subprocess.run([sys.executable, "-c", KILLED, shop.data_dir, place], check=False)
        assert done.returncode == -signal.SIGKILL, place
        assert requests.waiting() == [asked.id]
    count(shop)
    assert requests.waiting() == []
    state = requests.state(asked.id)
    assert (state.state, state.receipt["found"]) == ("done", [])
    assert "interrupted" in state.receipt["notes"][0]
    assert files_with(shop.data_dir, ADA) == []
    assert files_with(shop.data_dir, "bob") != []


def test_counts_are_kept_while_something_keeps_the_log_from_forgetting(shop, requests):
    clock = ManualClock(CLOCK.now_ms())
    count(shop)
    asked, _ = requests.ask(ADA, "key 1")
    said = []
    turns = ErasureTurns(shop, clock, said.append)
    with processor_of(shop, CLOCK) as processor:
        processor.recover()
        with closing(EmbeddedLogReader(shop.log_path)) as log:
            erase = EmbeddedLogReader.erase
            try:
                EmbeddedLogReader.erase = refuse
                with pytest.raises(LogUnavailable):
                    turns.take(processor)
            finally:
                EmbeddedLogReader.erase = erase
            assert log.extent(0).next_offset == 3
        for _ in range(2):
            # Each time, whoever writes to the log waits.
            turns.take(processor)
            assert requests.state(asked.id).state == "erasing"
            clock.advance(2_500)
        turns.take(processor)
        turns.take(processor)
    state = requests.state(asked.id)
    assert (state.receipt["records"], state.receipt["log_records"]) == ({"admitted": 2}, 2)
    assert (state.receipt["by"], state.receipt["notes"], said) == (
        "key 1",
        [],
        ["an erasure is done"],
    )
    assert files_with(shop.data_dir, ADA) == []


def refuse(*_):
    raise LogUnavailable("somebody reads it", "wait")


def test_it_begins_when_all_is_counted_that_was_there_when_it_was_heard_of(shop, requests):
    asked, _ = requests.ask(ADA, "key 1")
    turns = ErasureTurns(shop, CLOCK)
    with processor_of(shop, CLOCK) as processor:
        processor.recover()
        turns.take(processor)
        assert requests.state(asked.id).state == "waiting"
        while processor.step():
            pass
        visit(shop, ADA)
        turns.take(processor)
    receipt = requests.state(asked.id).receipt
    # What came after that is another matter, and refused when it is counted.
    assert (receipt["records"], receipt["found"]) == ({"admitted": 2}, [])
    (path,) = (shop.data_dir / "erasures").glob("*.json")
    assert json.loads(path.read_bytes()) == receipt
    assert read_receipt(path).is_of(ADA)
    count(shop)
    assert files_with(shop.data_dir, ADA) == []


def test_who_asks_again_while_it_is_done_has_another_one_that_the_first_does_not_tell_of(
    shop, requests
):
    count(shop)
    assert requests.has_taker()
    first, _ = requests.ask(ADA, "key 1")
    requests.begin(first.id)
    second, _ = requests.ask(ADA, "key 1")
    turns = ErasureTurns(shop, CLOCK)
    with processor_of(shop, CLOCK) as processor:
        processor.recover()
        turns.take(processor)
    assert requests.state(first.id).receipt["found"] == []
    assert requests.waiting() == [second.id]
