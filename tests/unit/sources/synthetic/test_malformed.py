import pytest

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.synthetic.malformed import MALFORMATIONS
from rtcdp.sources.synthetic.stream import EventStream

LINES = EventStream(seed=1, run_ms=0).lines(range(200))


@pytest.mark.parametrize("malformation", MALFORMATIONS, ids=lambda kind: kind.name)
def test_a_broken_line_is_rejected_for_its_reason(malformation):
    verdicts = [decode(malformation.break_line(line)) for line in LINES]
    assert all(isinstance(verdict, Rejection) for verdict in verdicts)
    assert {verdict.reason for verdict in verdicts} == {malformation.reason}


@pytest.mark.parametrize("malformation", MALFORMATIONS, ids=lambda kind: kind.name)
def test_a_broken_line_is_still_one_line(malformation):
    broken = [malformation.break_line(line) for line in LINES]
    assert not any(b"\n" in line or not line.strip() for line in broken)
