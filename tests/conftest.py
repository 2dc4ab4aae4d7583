"""In CI every test runs: one that is skipped, or expected to fail, counts as failed."""

import logging
import os
import signal
import sys
from logging.handlers import QueueHandler
from pathlib import Path

import pytest
from hypothesis import settings

from tests.spark_classes import use_archive

# How long an example takes says how busy the machine is: no test holds it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

BYTECODE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"

pytest_plugins = ["tests.leftovers", "tests.servers", "tests.spark_session"]


def pytest_configure():
    """What a shell runs in the background ignores Ctrl-C, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _compile_once()
    # Tests are over before the compiler that optimises has paid off.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    use_archive()


def _compile_once():
    """Where Python is told to keep no bytecode, each of the hundreds of processes that tests start
    would compile all that it imports. For them it is kept, in a folder of its own."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(BYTECODE)
        sys.dont_write_bytecode = False


@pytest.fixture(autouse=True)
def logging_stays():
    """What a command sets, tests that come later don't see; and nothing is left behind that goes on
    logging by itself, to a standard error that was this test's."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    left = [each for each in root.handlers if each not in handlers]
    for handler in left:
        root.removeHandler(handler)
    assert not [each for each in left if isinstance(each, QueueHandler)]


def pytest_addoption(parser):
    for part in ("engines", "stores"):
        parser.addoption(
            f"--{part}", default="", help=f"conformance tests: only these {part}, comma-separated"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    return _failed_if_skipped_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    return _failed_if_skipped_in_ci(report)


def _failed_if_skipped_in_ci(report):
    if report.skipped and os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} did not run, and in CI every test must: {_why(report)}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail
    return report


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[-1])
    return getattr(report, "wasxfail", "") or "no reason given"
