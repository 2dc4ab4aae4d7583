"""Work beside the answers: one piece after the other, by a thread that is there already."""

import logging
import threading

import pytest

from rtcdp.answers import beside
from rtcdp.answers.beside import Beside

NAME = "work of a test"


@pytest.fixture(autouse=True)
def threads_end_soon(monkeypatch):
    monkeypatch.setattr(beside, "IDLE_S", 0.3)
    yield
    for thread in threads():
        thread.join(5)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_pieces_are_done_in_their_order_by_one_thread():
    done, work = [], Beside(NAME)
    for number in range(5):
        assert work.begin(lambda number=number: done.append((number, threading.get_ident())))
    assert work.wait(5)
    [thread] = threads()
    assert done == [(number, thread.ident) for number in range(5)]


def test_an_error_is_told_and_ends_nothing(caplog):
    done, work = [], Beside(NAME)
    with caplog.at_level(logging.ERROR):
        work.begin(lambda: 1 // 0)
        work.begin(lambda: done.append("next"))
        assert work.wait(5)
    assert done == ["next"]
    assert f"{NAME} failed" in caplog.text


def test_a_thread_that_has_nothing_to_do_ends_and_another_one_begins(monkeypatch):
    monkeypatch.setattr(beside, "IDLE_S", 0.01)
    work = Beside(NAME)
    assert work.wait(5)
    for thread in threads():
        thread.join(5)
    assert threads() == []
    assert work.wait(5)
