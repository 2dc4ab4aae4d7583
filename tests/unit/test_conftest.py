"""The suite's own rule: in CI nothing is skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = {
    "test_skipped.py": """
import pytest
@pytest.mark.skip(reason="no server")
def test_a(): ...
""",
    "test_skipped_wholly.py": """
import pytest
pytest.skip("no browser", allow_module_level=True)
""",
    "test_expected_to_fail.py": """
import pytest
@pytest.mark.xfail(reason="no time")
def test_a(): raise OSError
""",
}


def run(directory: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, directory / "conftest.py")
    for name, text in TESTS.items():
        (directory / name).write_text(text)
    environment = {
        **os.environ,
        "CI": ci,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(CONFTEST.parents[1]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    command.append("--continue-on-collection-errors")
    return subprocess.run(
        command, cwd=directory, env=environment, text=True, capture_output=True, check=False
    )


def test_a_test_that_does_not_run_fails_in_ci_and_says_why(tmp_path: Path) -> None:
    outcome = run(tmp_path, ci="true")

    assert outcome.returncode == 1
    for reason in ("no server", "no browser", "no time"):
        assert f"in CI every test must: {reason}" in outcome.stdout.replace("Skipped: ", "")


def test_on_a_laptop_it_is_only_skipped(tmp_path: Path) -> None:
    assert run(tmp_path, ci="").returncode == 0


def test_what_a_process_of_a_test_has_compiled_is_kept_for_the_next_one():
    asked = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
