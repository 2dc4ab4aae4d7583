"""Who imports a file keeps others from it until it is in, in whichever process they are."""

from contextlib import closing

import pytest

from rtcdp.clock import SystemClock
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.runtime.collecting.claiming import claimed


def test_whoever_comes_second_waits_a_while_and_is_told(tmp_path):
    limits = CollectorLimits(body_timeout_s=0.1, retry_after_s=7)
    with (
        closing(EmbeddedLogWriter(tmp_path, SystemClock())) as one,
        closing(EmbeddedLogWriter(tmp_path, SystemClock())) as two,
        closing(Collector(one, SystemClock(), limits)) as first,
        closing(Collector(two, SystemClock(), limits)) as second,
    ):
        holds = claimed(first, "ab", lambda: None)
        claimed(first, "cd", lambda: None).close()
        looks = []
        for collector in (first, second):
            with pytest.raises(RequestRefused) as refused:
                claimed(collector, "ab", lambda: looks.append(1))
            assert refused.value.code == "import_under_way"
            assert refused.value.retry_after_s == 7
        assert looks
        holds.close()
        again = claimed(second, "ab", lambda: None)
        # What was let go can't be let go for others.
        holds.close()
        assert first.try_claim("ab") is None
        again.close()
