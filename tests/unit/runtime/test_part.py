import subprocess

import pytest

from rtcdp.runtime.handover import PROCESSOR, command_of, encode_settings
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import entry_in


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


def run(settings: Settings, text: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A processor whose input ends after its settings."""
    return subprocess.run(
        command_of(PROCESSOR),
        input=encode_settings(settings) if text is None else text,
        capture_output=True,
        timeout=180,
        check=False,
    )


def test_a_part_ends_cleanly_when_its_input_does(settings):
    done = run(settings)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_part_without_a_supervisor_does_nothing(settings):
    assert run(settings, b"").returncode == 0
    assert not settings.data_dir.exists()


def test_an_error_is_one_line_with_its_hint_and_its_exit_code(tmp_path):
    done = run(Settings(data_dir=tmp_path, catalog=tmp_path / "absent"))
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    entry = entry_in(done.stderr)
    assert (entry.level, entry.part) == ("ERROR", PROCESSOR)
    assert " – name the directory" in entry.message
