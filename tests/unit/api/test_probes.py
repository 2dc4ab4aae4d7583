import threading

from rtcdp.api.probes import Probes
from rtcdp.errors import RtcdpError


def fail() -> str:
    raise RtcdpError("the disk is gone")


def break_() -> str:
    raise ValueError("what?")


def test_every_check_says_how_it_is() -> None:
    results = Probes().results({"a": lambda: "ok", "b": fail, "c": break_}, 20)
    assert results == {"a": "ok", "b": "the disk is gone", "c": "ValueError('what?')"}


def test_a_check_that_takes_long_is_asked_once_until_it_answers() -> None:
    probes, may, runs = Probes(), threading.Event(), []

    def slow() -> str:
        runs.append(1)
        may.wait(60)
        return "ok"

    assert "no answer for" in probes.results({"a": slow}, 0.01)["a"]
    assert "no answer for" in probes.results({"a": slow}, 0.01)["a"]
    may.set()
    assert probes.results({"a": slow}, 20) == {"a": "ok"}
    assert len(runs) <= 2
