import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.runtime.processes.allocation import KEPT, OF_POLARS, VARIABLE
from rtcdp.runtime.processes.part import (
    HTTP,
    PROCESSOR,
    command_of,
    decode_settings,
    encode_settings,
)
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


def test_of_a_defect_it_is_told_where_it_was_and_not_what_it_says(settings):
    code = (
        "import sys; from rtcdp.runtime.processes import part;"
        "part.PARTS[part.PROCESSOR] = 'json:loads'; sys.exit(part.main([part.PROCESSOR]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=encode_settings(settings),
        capture_output=True,
        timeout=180,
        check=False,
    )
    entry = entry_in(done.stderr)
    assert (done.returncode, entry.message) == (1, "it ended by a defect of its own")
    assert entry.exception.endswith("builtins.TypeError")
    assert "positional" not in entry.exception


@pytest.mark.parametrize(
    ("name", "inherited", "added"),
    [
        (PROCESSOR, "", KEPT),
        (PROCESSOR, OF_POLARS, KEPT),
        (PROCESSOR, "narenas:1", "narenas:1"),
        (HTTP, "", ""),
    ],
)
def test_a_processor_alone_keeps_freed_memory_and_an_operator_has_the_last_word(
    settings, name, inherited, added
):
    code = (
        "import os, sys; from rtcdp.runtime.processes import part; name = sys.argv[1];"
        "part.PARTS[name] = 'polars:__version__'; part.main([name]);"
        f"print(os.environ['{VARIABLE}'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name],
        input=encode_settings(settings),
        env={**os.environ, VARIABLE: inherited},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode().strip() == ",".join(filter(None, (OF_POLARS, added)))
    assert b"jemalloc" not in done.stderr


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
    assert command_of(HTTP) == (sys.executable, "-m", "rtcdp.runtime.processes.part", "http")


def run_instead(tmp_path, code: str) -> subprocess.CompletedProcess[bytes]:
    """A part that is made of `code`, has 0.2 s to stop in, and is told to at once."""
    (tmp_path / "made.py").write_text(code)
    main = (
        "import sys; from rtcdp.runtime.processes import part; part.STOP_S = 0.2; "
        "part.PARTS['made'] = 'made:run'; sys.exit(part.main(['made']))"
    )
    return subprocess.run(
        [sys.executable, "-c", main],
        input=encode_settings(Settings(data_dir=tmp_path)),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_the_time_to_stop_begins_when_a_part_is_imported(tmp_path):
    done = run_instead(tmp_path, "import time; time.sleep(1)\ndef run(*_): print('ran')\n")
    assert (done.returncode, done.stdout) == (0, b"ran\n")


def test_a_part_that_does_not_stop_ends_itself(tmp_path):
    done = run_instead(tmp_path, "import time\ndef run(*_): time.sleep(600)\n")
    assert done.returncode == 1
