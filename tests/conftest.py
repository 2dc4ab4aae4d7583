"""In CI every test runs: one that is skipped, or expected to fail, counts as failed."""

import logging
import os
import signal

import pytest

pytest_plugins = ["tests.leftovers", "tests.servers", "tests.spark_session"]


def pytest_configure():
    """What a shell runs in the background ignores Ctrl-C, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests are over before the compiler that optimises has paid off.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(autouse=True)
def log_levels_stay():
    """What a command sets, tests that come later don't see."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


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
