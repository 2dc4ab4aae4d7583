import sys
from pathlib import Path

from rtcdp.admission.rules import AdmissionRules
from rtcdp.runtime.handover import HTTP, command_of, decode_settings, encode_settings
from rtcdp.runtime.settings import Settings


def test_settings_arrive_as_they_were_sent():
    settings = Settings(
        data_dir=Path("a b"),
        catalog=Path("c"),
        rate=2.5,
        admission=AdmissionRules(allowed_lateness_ms=1),
    )
    line = encode_settings(settings)
    assert line.count(b"\n") == 1
    assert decode_settings(line) == settings


def test_a_part_runs_in_the_same_python():
    assert command_of(HTTP) == (sys.executable, "-m", "rtcdp.runtime.part", "http")
